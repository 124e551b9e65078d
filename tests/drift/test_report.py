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

from drift.report import Reporter, ReportResult
from drift.rows import ReportRequest
from drift.settings import CategoricalTest, DriftSettings, NumericTest

READY_SECONDS_MAX = 120.0


def request(report_id: str, shift: float = 0.0, rows: int = 200, **more: Any) -> ReportRequest:
    rng = np.random.default_rng(1)

    def table(mean: float) -> list[dict[str, Any]]:
        return [
            {"confidence": float(c), "feature.x": float(x), "prediction": "ab"[place % 2]}
            for place, (c, x) in enumerate(zip(rng.uniform(size=rows), rng.normal(mean, 1, rows), strict=True))
        ]

    made = ReportRequest(
        report_id=report_id, reference=table(0.0), current=table(shift), numeric=["confidence", "feature.x"],
        categorical=["prediction"], numeric_test="wasserstein", categorical_test="jensenshannon",
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def wait_for(found: Callable[[], Any], seconds_max: float = READY_SECONDS_MAX) -> Any:
    until = time.monotonic() + seconds_max
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds_max} seconds")


def results(reporter: Reporter, count: int) -> list[ReportResult]:
    got: list[ReportResult] = []

    def enough() -> bool:
        got.extend(reporter.poll())
        return len(got) >= count

    wait_for(enough)
    return got


@pytest.fixture(scope="module")
def reporter() -> Iterator[Reporter]:
    made = Reporter(DriftSettings())
    made.start()
    yield made
    made.stop()


def test_a_report_finds_what_moved_with_the_named_tests(reporter: Reporter) -> None:
    """The JSON says which column moved and by which test, the HTML is a whole page; the errors are one line."""
    reporter.submit(request("moved", shift=2.0))
    reporter.submit(request("wrong", numeric_test="no_such_test"))
    reporter.submit(request("large", shift=0.0, rows=1500))
    moved, wrong, large = results(reporter, 3)
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
    assert moved.seconds > 0


def test_a_killed_process_is_replaced(reporter: Reporter) -> None:
    """The report in hand is answered with the reason, the next one by a new process."""
    wait_for(lambda: reporter.poll() or reporter.ready)
    first = reporter.pid
    assert first is not None
    reporter.submit(request("lost", rows=1000))
    reporter.poll()
    os.kill(first, signal.SIGKILL)
    reporter.submit(request("next"))
    lost, following = results(reporter, 2)
    assert lost.error == "the report process ended with code -9"
    assert (following.report_id, following.error) == ("next", "")
    assert reporter.pid != first


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
        wait_for(lambda: slow.poll() or slow.ready)
        first = slow.pid
        slow.submit(request("slow"))
        assert slow.poll() == []
        now[0] = 31.0
        (result,) = slow.poll()
        assert result.error == "took longer than 30 seconds (report_seconds_max)"
        assert slow.pid != first
        assert first is not None
        assert not _runs(first)
    finally:
        slow.stop()


def test_the_queue_is_bounded_and_every_request_is_answered() -> None:
    """Beyond ``reports_queued_max`` the oldest is dropped with the reason; a stop answers the rest."""
    one = Reporter(DriftSettings(reports_queued_max=2))
    for place in range(3):
        one.submit(request(f"r{place}"))
    one.stop()
    answers = {result.report_id: result.error for result in one.poll()}
    assert answers["r0"] == "dropped: more than 2 reports were waiting (reports_queued_max)"
    assert answers["r1"] == answers["r2"] == "the report process was stopped"


def test_a_process_that_never_comes_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the allowed failures in a row requests are answered with the reason, at once."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    one = Reporter(DriftSettings(report_restarts_max=1))
    one.start()
    one.submit(request("r"))
    (result,) = results(one, 1)
    assert result.error == ("no report process: it failed 2 times in a row, last: the report process ended with code 1")


@pytest.mark.faults
def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed -9 leaves no report process behind, not even while it still imports."""
    code = (
        "import sys, time\nfrom drift.report import Reporter\nfrom drift.settings import DriftSettings\n"
        "one = Reporter(DriftSettings())\none.start()\nprint(one.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(1.0)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not _runs(child), 20.0)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_no_usage_statistics_leave_the_process(reporter: Reporter) -> None:
    """The child was started with statistics switched off and holds no internet socket."""
    wait_for(lambda: reporter.poll() or reporter.ready)
    environment = Path(f"/proc/{reporter.pid}/environ")
    if not environment.exists():
        pytest.skip("no /proc on this system")
    assert {b"DO_NOT_TRACK=1", b"ITERATIVE_DO_NOT_TRACK=1"} <= set(environment.read_bytes().split(b"\0"))
    sockets = {str(link.readlink()) for link in Path(f"/proc/{reporter.pid}/fd").iterdir()}
    inodes = {name[8:-1] for name in sockets if name.startswith("socket:")}
    tables = [Path(f"/proc/{reporter.pid}/net/{kind}") for kind in ("tcp", "tcp6", "udp", "udp6")]
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
