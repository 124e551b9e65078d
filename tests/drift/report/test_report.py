"""Reports come from a process of their own: they are right, bounded, and leave nothing behind."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from drift.report.pipe import ReportResult
from drift.report.reporter import Reporter
from drift.report.request import ReportRequest
from drift.settings import CategoricalTest, DriftSettings, NumericTest
from tests.support.waiting import eventually, is_running


def request(report_id: str, shift: float = 0.0, rows: int = 200, **more: Any) -> ReportRequest:
    rng = np.random.default_rng(1)

    def table(mean: float) -> list[dict[str, Any]]:
        return [
            {"confidence": float(c), "feature.x": float(x), "prediction": "ab"[index % 2]}
            for index, (c, x) in enumerate(zip(rng.uniform(size=rows), rng.normal(mean, 1, rows), strict=True))
        ]

    made = ReportRequest(
        report_id=report_id, reference=table(0.0), current=table(shift), numeric=["confidence", "feature.x"],
        categorical=["prediction"], numeric_test="wasserstein", categorical_test="jensenshannon",
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def wait_for(condition: Callable[[], Any]) -> Any:
    return eventually("the report process", condition, every_seconds=0.1)


def is_ready(reporter: Reporter) -> bool:
    """Whether its process has imported what it needs."""
    return reporter._ready


def pid_of(reporter: Reporter) -> int | None:
    """Its process, None where there is none."""
    return None if reporter._process is None else reporter._process.pid


def results(reporter: Reporter, count: int) -> list[ReportResult]:
    got: list[ReportResult] = []

    def enough() -> bool:
        got.extend(reporter.poll())
        return len(got) >= count

    wait_for(enough)
    return got


def made(reporter: Reporter, asked: ReportRequest) -> ReportResult:
    reporter.submit(asked)
    (result,) = results(reporter, 1)
    return result


@pytest.fixture(scope="module")
def reporter() -> Iterator[Reporter]:
    made = Reporter(DriftSettings())
    made.start()
    yield made
    made.stop()


def test_a_report_finds_what_moved_with_the_named_tests(reporter: Reporter) -> None:
    """The JSON says which column moved and by which test, the HTML is a whole page; the errors are one line."""
    moved = made(reporter, request("moved", shift=2.0))
    wrong = made(reporter, request("wrong", numeric_test="no_such_test", categorical=[]))
    large = made(reporter, request("large", shift=0.0, rows=1500))
    assert (moved.report_id, moved.error, large.error) == ("moved", "", "")
    assert "\n" not in wrong.error
    assert "no_such_test" in wrong.error
    for result, limit in ((moved, 1.0), (large, None)):
        metrics = {metric["config"].get("column"): metric for metric in json.loads(result.json)["metrics"]}
        assert "wasserstein" in str(metrics["feature.x"]).lower()
        assert "jensen" in str(metrics["prediction"]).lower()
        if limit is not None:
            assert float(metrics["feature.x"]["value"]) > limit
    assert moved.html.lstrip()[:15].lower().startswith(("<html", "<!doctype", "\n<html"))


def test_a_killed_process_is_replaced(reporter: Reporter) -> None:
    """The report in hand is answered with the reason, the next one by a new process."""
    wait_for(lambda: reporter.poll() or is_ready(reporter))
    first = pid_of(reporter)
    assert first is not None
    reporter.submit(request("lost", rows=1000))
    reporter.poll()
    os.kill(first, signal.SIGKILL)
    (lost,) = results(reporter, 1)
    following = made(reporter, request("next"))
    assert lost.error == "the report process ended with code -9"
    assert (following.report_id, following.error) == ("next", "")
    assert pid_of(reporter) != first


@pytest.fixture
def stuck_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in the report process's place that says it is ready and then never answers."""
    ready = msgspec.msgpack.encode(ReportResult(report_id="ready"))
    message = len(ready).to_bytes(4, "big") + ready
    stuck = tmp_path / "stuck"
    stuck.write_text(
        f"#!{sys.executable}\nimport sys, time\nsys.stdout.buffer.write({message!r})\n"
        "sys.stdout.flush()\ntime.sleep(60)\n"
    )
    stuck.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stuck))


def test_a_report_that_takes_too_long_is_ended(stuck_process: None) -> None:
    """Beyond the limit the answer says which limit it was, and another process is started."""
    now = [0.0]
    slow = Reporter(DriftSettings(report_seconds_max=30), clock=lambda: now[0])
    slow.start()
    try:
        wait_for(lambda: slow.poll() or is_ready(slow))
        first = pid_of(slow)
        slow.submit(request("slow"))
        assert slow.poll() == []
        now[0] = 31.0
        (result,) = slow.poll()
        assert result.error == "took longer than 30 seconds (report_seconds_max)"
        assert pid_of(slow) != first
        assert first is not None
        assert not is_running(first)
    finally:
        slow.stop()


def test_one_request_at_a_time_and_it_is_answered() -> None:
    """A second one is refused while there is one; a stop answers it."""
    own = Reporter(DriftSettings())
    assert own.is_free
    own.submit(request("r"))
    with pytest.raises(ValueError, match="one report at a time"):
        own.submit(request("s"))
    own.stop()
    (answer,) = own.poll()
    assert (answer.report_id, answer.error) == ("r", "the report process was stopped")
    assert own.is_free


def test_a_process_that_never_comes_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the allowed failures in a row requests are answered with the reason, at once."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    own = Reporter(DriftSettings(report_restarts_max=1))
    own.start()
    own.submit(request("r"))
    (result,) = results(own, 1)
    assert result.error == ("no report process: it failed 2 times in a row, last: the report process ended with code 1")


def test_a_process_that_was_given_up_is_started_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the reason is told at once, with the hint that it may come; afterwards reports are made again."""
    now = [0.0]
    monkeypatch.setattr(sys, "executable", "/bin/false")
    own = Reporter(DriftSettings(report_restarts_max=1, report_retry_seconds=50.0), clock=lambda: now[0])
    own.start()
    own.submit(request("r"))
    (first,) = results(own, 1)
    own.submit(request("s"))
    (second,) = own.poll()
    assert second.error == first.error
    assert first.may_retry
    assert second.may_retry
    now[0] = 49.0
    own.poll()
    assert pid_of(own) is None
    monkeypatch.undo()
    now[0] = 50.0
    own.poll()
    assert pid_of(own) is not None
    wait_for(lambda: (own.poll(), is_ready(own))[1])
    result = made(own, request("t"))
    assert (result.error, result.may_retry) == ("", False)
    own.stop()


@pytest.mark.faults
def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed -9 leaves no report process behind, not even while it still imports."""
    code = (
        "import sys, time\nfrom drift.report.reporter import Reporter\nfrom drift.settings import DriftSettings\n"
        "own = Reporter(DriftSettings())\nown.start()\nprint(own._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(1.0)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not is_running(child))


def test_no_usage_statistics_leave_the_process(reporter: Reporter) -> None:
    """The child was started with statistics switched off and holds no internet socket."""
    wait_for(lambda: reporter.poll() or is_ready(reporter))
    environment = Path(f"/proc/{pid_of(reporter)}/environ")
    if not environment.exists():
        pytest.skip("no /proc on this system")
    assert {b"DO_NOT_TRACK=1", b"ITERATIVE_DO_NOT_TRACK=1"} <= set(environment.read_bytes().split(b"\0"))
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid_of(reporter)}/fd").iterdir()}
    inodes = {name[8:-1] for name in sockets if name.startswith("socket:")}
    tables = [Path(f"/proc/{pid_of(reporter)}/net/{protocol}") for protocol in ("tcp", "tcp6", "udp", "udp6")]
    internet = {line.split()[9] for table in tables if table.exists() for line in table.read_text().splitlines()[1:]}
    assert not inodes & internet


def test_evidently_knows_the_tests_that_settings_name() -> None:
    """Each name of the settings is one of Evidently's for columns of its type; its sources say so without an import."""
    known: dict[str, str] = {}
    for file in importlib.metadata.files("evidently") or ():
        if file.parent.name == "stattests":
            for made in re.findall(r"StatTest\(\n(.*?)\n\)", str(file.read_text()), re.DOTALL):
                known[re.findall(r'name="(\w+)"', made)[0]] = made
    assert all("Numerical" in known[name] for name in get_args(NumericTest))
    assert all("Categorical" in known[name] for name in get_args(CategoricalTest))


ODD_NAMES = (
    "</script><script>document.title='x'</script>", "a'\"b", "two\nlines", "😀", "x" * 180, "<!--<script>", "\u2028",
    "{{x}}", "%s", "a\\n", "\x00", "target", "index", "column", "reference", "",
)  # fmt: skip


def odd_request(report_id: str) -> ReportRequest:
    """Columns that made evidently fail, or its page, beside good ones."""
    rows = 60
    numbers: dict[str, list[Any]] = {
        "confidence": [index / rows for index in range(rows)],
        "feature.id": [1875924584784080993] * rows,
        "feature.next ids": [1875924584784080993 + 256 * (index % 3) for index in range(rows)],
        "feature.huge": [1e100] * rows,
        "feature.both": [1e100 if index % 2 else -1e100 for index in range(rows)],
        "feature.one": [1.0] + [None] * (rows - 1),
        "feature.constant": [0.4149] * rows,
        "feature.tiny": [index * 1e-310 for index in range(rows)],
        "feature.whole": [2**62 + index for index in range(rows)],
    }
    texts: dict[str, list[Any]] = {
        f"feature.{name}": ["</script>", "<b>&amp;"] * (rows // 2) for name in ODD_NAMES
    }  # fmt: skip
    texts["feature.many"] = [f"value {index}" for index in range(rows)]
    columns = numbers | texts
    table = [{name: values[index] for name, values in columns.items()} for index in range(rows)]
    return ReportRequest(
        report_id=report_id, reference=table, current=table, numeric=list(numbers), categorical=list(texts),
        numeric_test="wasserstein", categorical_test="jensenshannon",
    )  # fmt: skip


def test_odd_columns_take_no_report_from_the_others(reporter: Reporter) -> None:
    """Numbers too close together become categories and are named; names and values end no script of the page."""
    asked = odd_request("odd")
    odd, plain = made(reporter, asked), made(reporter, request("plain"))
    assert odd.error == ""
    named = " ".join(odd.left_out)
    assert "feature.id" in named
    assert "feature.next ids" in named
    assert "feature.confidence" not in named
    columns = {metric["config"].get("column") for metric in json.loads(odd.json)["metrics"]}
    assert columns >= {*asked.numeric, *asked.categorical}
    assert odd.html.lower().count("</script") == plain.html.lower().count("</script")
    assert odd.html.lower().count("<!--") == plain.html.lower().count("<!--")
    assert "shown as categories: feature.id" in odd.html


def test_a_single_row_makes_a_report(reporter: Reporter) -> None:
    """However small, each side has what it has; nothing at all is told as such."""
    whole = request("one", rows=200)
    single = made(reporter, msgspec.structs.replace(whole, reference=whole.reference[:1], current=whole.current[:1]))
    assert single.error == ""
    none = made(reporter, msgspec.structs.replace(whole, current=[]))
    assert "nothing to compare" in none.error


def test_a_column_that_fails_alone_is_left_out(reporter: Reporter) -> None:
    """Whatever it is: the rest is reported, and the page and the result say what is missing."""
    asked = request("alone")
    rows = [{**row, "feature.bad": 1.0} for row in asked.reference]
    rows[0]["feature.bad"] = "no number"
    spoilt = msgspec.structs.replace(asked, reference=rows, current=rows, numeric=[*asked.numeric, "feature.bad"])
    result = made(reporter, spoilt)
    assert result.error == ""
    assert any("feature.bad" in line for line in result.left_out)


def test_what_cannot_be_sent_is_answered(reporter: Reporter) -> None:
    """An integer beyond what travels makes no report, and the next one is made all the same."""
    asked = request("long")
    rows: list[Any] = [{**row, "feature.x": 10**80} for row in asked.current]
    assert "cannot be sent" in made(reporter, msgspec.structs.replace(asked, current=rows)).error
    assert made(reporter, request("after")).error == ""
