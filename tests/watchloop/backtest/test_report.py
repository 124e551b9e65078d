from __future__ import annotations

import io
import itertools
import json
import pathlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import Result

from review.settings import TriageSettings
from watchloop.backtest.report import BacktestReport
from watchloop.backtest.terminal import print_report

OPTIONS = ("--label", "label", "--drop", "date,nswprice", "--train-first", "0.2", "--budget", "0.1")

DOCUMENTED = {
    "events", "errors", "reviewed", "review_rate", "errors_caught", "accuracy_model", "accuracy_after_review",
    "accuracy_learned", "gate", "alerts", "live_accuracy", "slices", "seconds",
}  # fmt: skip
BESIDE = {"accuracy_no_change", "errors_caught_by_confidence", "stretches", "slices_left_out"}

Run = Callable[..., Result]


def test_the_json_has_the_documented_keys_and_those_beside_them(report: dict[str, Any]) -> None:
    """The report has exactly the documented names, with their parts."""
    assert set(report) == DOCUMENTED | BESIDE
    assert {"promoted", "refused"} <= set(report["gate"])
    assert all(set(point) == {"at", "estimate", "low", "high", "truth"} for point in report["live_accuracy"])
    assert all(set(alert) == {"at", "signal", "detector", "severity"} for alert in report["alerts"])
    assert all(set(slice_) == {"slice", "events", "estimate", "low", "high", "truth"} for slice_ in report["slices"])


def test_what_trained_the_model_is_not_replayed_and_counts_add_up(report: dict[str, Any]) -> None:
    """4,800 of 6,000 rows are replayed; shares agree with counts."""
    assert report["events"] == 4_800
    assert report["accuracy_model"] == pytest.approx(1 - report["errors"] / report["events"])
    assert report["review_rate"] == pytest.approx(report["reviewed"] / report["events"])
    gained = (report["accuracy_after_review"] - report["accuracy_model"]) * report["events"]
    assert gained == pytest.approx(report["errors_caught"])
    assert 0 < report["errors_caught"] <= min(report["errors"], report["reviewed"])


def test_people_see_no_more_than_the_budget(report: dict[str, Any]) -> None:
    """The review budget includes the audit sample."""
    assert 0.05 < report["review_rate"] <= 0.1


def test_positions_count_replayed_events_and_truth_is_the_accuracy_so_far(report: dict[str, Any]) -> None:
    """The last point of live accuracy covers every event, so that its truth is the model's accuracy."""
    positions = [point["at"] for point in report["live_accuracy"]]
    assert positions == sorted(positions)
    assert positions[-1] == report["events"]
    assert report["live_accuracy"][-1]["truth"] == pytest.approx(report["accuracy_model"])
    assert all(0 < alert["at"] <= report["events"] for alert in report["alerts"])
    assert all(point["low"] <= point["estimate"] <= point["high"] for point in report["live_accuracy"])


def test_slices_without_an_estimate_are_said(run: Run, elec2_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """JSON, terminal and page give the number of slices left out; without any, terminal and page say nothing."""
    config, page, out = tmp_path / "watchloop.toml", tmp_path / "page.html", tmp_path / "report.json"
    config.write_text("[accuracy]\nslices_max = 3\n")
    run(elec2_file, *OPTIONS, "--slices", "day", "--config", config, "--html", page, "--out", out)
    report = msgspec.json.decode(out.read_bytes(), type=BacktestReport)
    assert (len(report.slices), report.slices_left_out) == (3, 4)
    says = "4 more slices have no estimate: the first 3 have one (accuracy.slices_max)"
    assert says in page.read_text()
    assert says in in_terminal(report)
    assert "no estimate" not in in_terminal(msgspec.structs.replace(report, slices_left_out=0))


def in_terminal(report: BacktestReport) -> str:
    shown = io.StringIO()
    print_report(report, "m", TriageSettings(), Console(file=shown, width=200))
    return shown.getvalue()


def test_slices_cover_every_event_once(report: dict[str, Any]) -> None:
    """There are seven days of the week, and the weighted mean of their truths is the truth of the whole."""
    slices = report["slices"]
    assert [slice_["slice"] for slice_ in slices] == [f"day={day}" for day in range(1, 8)]
    assert sum(slice_["events"] for slice_ in slices) == report["events"]
    right = sum(slice_["events"] * slice_["truth"] for slice_ in slices)
    assert right == pytest.approx(report["events"] * report["accuracy_model"])


def test_the_no_change_baseline_is_that_of_the_replayed_labels(report: dict[str, Any], elec2_rows: pa.Table) -> None:
    """Neighbouring labels of Elec2 are alike, so that the learned accuracy must be compared with this baseline."""
    labels = elec2_rows.column("label").to_pylist()[1_200:]
    repeats = sum(a == b for a, b in itertools.pairwise(labels))
    assert report["accuracy_no_change"] == pytest.approx(repeats / (len(labels) - 1))


def test_the_same_seed_gives_the_same_report_and_another_seed_another(
    run: Run, elec2_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Two runs differ only in ``seconds``."""
    reports = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        path = tmp_path / f"{name}.json"
        result = run(elec2_file, *OPTIONS, "--train-first", "0.7", "--seed", seed, "--out", path)
        assert result.exit_code == 0, result.output
        reports.append({key: value for key, value in json.loads(path.read_text()).items() if key != "seconds"})
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


def test_without_out_a_table_and_the_verdict_are_printed(run: Run, elec2_file: pathlib.Path) -> None:
    """The terminal shows figures and one line about what the budget would have bought."""
    result = run(elec2_file, *OPTIONS, "--strategy", "catch", "--train-first", "0.7")
    assert result.exit_code == 0, result.output
    assert "accuracy after review" in result.stdout
    assert "A review budget of 10 % would have bought" in result.stdout
    assert "repeating the last label" in result.stdout


class Outside(HTMLParser):
    """Collects every address that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.drawings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawings += tag == "svg"
        if tag in {"script", "link", "img", "iframe", "object", "embed"}:
            self.addresses.append(tag)
        self.addresses += [name for name, _ in attrs if name in {"src", "href", "srcset", "xlink:href"}]


def test_the_page_needs_nothing_else_and_escapes_what_the_table_says(
    run: Run, elec2_rows: pa.Table, tmp_path: pathlib.Path
) -> None:
    """The page loads no script, style sheet or picture; a slice named like markup stays text."""
    import pyarrow.parquet as pq

    region = pa.array(["<script>alert(1)</script>"] * elec2_rows.num_rows)
    file, page = tmp_path / "regions.parquet", tmp_path / "page.html"
    pq.write_table(elec2_rows.append_column("region", region), file)
    result = run(file, *OPTIONS, "--slices", "region", "--html", page, "--json")
    assert result.exit_code == 0, result.output
    text = page.read_text()
    outside = Outside()
    outside.feed(text)
    assert outside.addresses == []
    assert outside.drawings == 2
    assert not re.search(r"url\(|@import|https?://", text)
    assert "region=&lt;script&gt;" in text
    report = json.loads(result.stdout)
    assert text.count('<g class="alert') == len(report["alerts"])
    assert len(text) < 200_000
