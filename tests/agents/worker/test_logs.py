"""Repeated messages are bounded, and lines stay readable."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import pytest
import structlog

from agents.worker.logs import MESSAGES_MAX, REPEATS_MAX, VALUE_CHARS_MAX, WINDOW_SECONDS, LogRepeats, set_up_logs
from tests.support.live_console import LiveConsole


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(message: Any, *values: object, name: str = "aiokafka", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, values, None)


@pytest.mark.parametrize(
    "message", ["Failed fetch messages from %s", {"event": "transaction aborted", "error": "no broker"}]
)
def test_the_same_message_is_written_a_few_times_then_counted(message: Any) -> None:
    """An outage of an hour gives a few lines a minute, and the next one says how many were left out."""
    clock = Clock()
    repeats = LogRepeats(clock)
    values = () if isinstance(message, dict) else (1,)
    written = [repeats.filter(record(message, *values)) for _ in range(500)]
    assert written == [True] * REPEATS_MAX + [False] * (500 - REPEATS_MAX)
    clock.now += WINDOW_SECONDS
    later = record(message, *values)
    assert repeats.filter(later)
    assert str(500 - REPEATS_MAX) in later.getMessage()


def test_values_do_not_make_another_message() -> None:
    """Which node did not answer is a value; another wording, logger or level is another message."""
    repeats = LogRepeats(Clock())
    assert sum(repeats.filter(record("no answer from %s", node)) for node in range(100)) == REPEATS_MAX
    assert repeats.filter(record("an answer from %s", 1))
    assert repeats.filter(record("no answer from %s", 1, name="faust"))
    assert repeats.filter(record("no answer from %s", 1, level=logging.WARNING))


def test_what_is_remembered_is_bounded() -> None:
    """Different messages are all written, and a bounded number of them is remembered."""
    repeats = LogRepeats(Clock())
    assert all(repeats.filter(record(f"message {number}")) for number in range(3 * MESSAGES_MAX))
    assert len(repeats._seen) == MESSAGES_MAX


def test_several_threads_may_log_at_once() -> None:
    """A call that logs never raises, though many threads log more different messages than are remembered."""
    repeats = LogRepeats(Clock())
    raised: list[Exception] = []

    def log(thread: int) -> None:
        try:
            for number in range(10_000):
                repeats.filter(record(f"message {number}", name=str(thread)))
        except Exception as error:  # noqa: BLE001 - whatever it is
            raised.append(error)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert raised == []
    assert len(repeats._seen) == MESSAGES_MAX


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_line_is_bounded_whatever_data_brings_into_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    """A record's key of megabytes is cut, and its length is added."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        set_up_logs("test")
        structlog.get_logger("agents.x").error("manifest refused", key="\x1b" * 1_000_000, why="short")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line = capsys.readouterr().err
    assert len(line) < 6 * VALUE_CHARS_MAX + 1_000
    assert "(1000000 characters)" in line
    assert "short" in line


def test_libraries_do_not_repeat_what_we_say() -> None:
    """Warnings of ClickHouse's clients are left out: they are raised too, and logged once with what to do."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        set_up_logs("test")
        assert not logging.getLogger("clickhouse_connect.driver").isEnabledFor(logging.WARNING)
        assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_failing_route_is_one_message_under_whatever_address() -> None:
    """Requests with ever new addresses get no more lines and tracebacks than equal ones."""
    written: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = written.append  # type: ignore[method-assign]
    handler.addFilter(LogRepeats(Clock()))
    told = logging.getLogger("console.problems")
    told.addHandler(handler)
    console = LiveConsole()
    console.state.alerts = None  # type: ignore[assignment]  # whatever looks for an alert fails
    try:
        with console.visit("ada") as visitor:
            answers = [visitor.client.get(f"/alerts/a-{number}").status_code for number in range(2 * REPEATS_MAX)]
    finally:
        told.removeHandler(handler)
    assert set(answers) == {500}
    assert len(written) == REPEATS_MAX
