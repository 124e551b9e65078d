"""Evidently reports, made in a process of their own; the only file that names evidently.

Importing evidently takes ten seconds and a report one to three, so both happen in a child process (``python -m
drift.report``) that is started ahead. Parent and child speak length-prefixed MessagePack over the child's standard
input and output. The child ends as soon as its input does, so it never outlives its parent, and usage
statistics are switched off before evidently is imported: it opens no connection.
"""

from __future__ import annotations

import os
import queue
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from typing import IO, Any

import msgspec

from drift.rows import ReportRequest, Row
from drift.settings import DriftSettings

__all__ = ["ReportResult", "Reporter", "report_worker_main"]

_LENGTH = struct.Struct(">I")
_NO_STATISTICS = {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
READY = "ready"
NICENESS = 10
STOP_SECONDS_MAX = 2.0


class ReportResult(msgspec.Struct, frozen=True, kw_only=True):
    """A report as JSON and as one HTML page without outside links to data, or one line that says why there is none."""

    report_id: str
    json: str = ""
    html: str = ""
    error: str = ""
    seconds: float = 0.0


class Reporter:
    """The parent's side: keeps one report process warm and hands it one report at a time. Not thread-safe.

    ``poll`` does everything that needs doing and never blocks; call it a few times a second. Every submitted request is
    answered by exactly one result. A report that takes longer than ``report_seconds_max`` ends the process; a dead
    process is started again, up to ``report_restarts_max`` failures in a row, after which requests are answered with
    the reason until ``start`` is called again. Beyond ``reports_queued_max`` waiting requests the oldest is
    answered with an error. ``clock`` gives seconds that never go back.
    """

    def __init__(self, settings: DriftSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._waiting: deque[ReportRequest] = deque()
        self._done: list[ReportResult] = []
        self._current: ReportRequest | None = None
        self._since = 0.0
        self._ready = False
        self._failures = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: queue.SimpleQueue[ReportResult | None] = queue.SimpleQueue()

    @property
    def ready(self) -> bool:
        """Whether the process has imported what it needs."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """The report process, None where there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it is ready some ten seconds later."""
        self.stop()
        self._failures = 0
        self._spawn()

    def submit(self, request: ReportRequest) -> None:
        """Queue a request."""
        if len(self._waiting) >= self._settings.reports_queued_max:
            oldest = self._waiting.popleft()
            reason = f"dropped: more than {self._settings.reports_queued_max} reports were waiting (reports_queued_max)"
            self._done.append(ReportResult(report_id=oldest.report_id, error=reason))
        self._waiting.append(request)

    def poll(self) -> list[ReportResult]:
        """Results that are there now."""
        self._drain()
        self._check_time()
        self._hand_out()
        done, self._done = self._done, []
        return done

    def stop(self) -> None:
        """End the process; what was waiting is answered by the next ``poll``."""
        process, self._process = self._process, None
        self._ready = False
        if process is not None:
            _end(process)
        self._give_up("the report process was stopped")

    def _spawn(self) -> None:
        self._ready = False
        self._since = self._clock()
        inbox: queue.SimpleQueue[ReportResult | None] = queue.SimpleQueue()
        process = subprocess.Popen(
            [sys.executable, "-m", "drift.report"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_NO_STATISTICS},
        )
        limit = self._settings.report_bytes_max
        threading.Thread(target=_listen, args=(process.stdout, inbox, limit), daemon=True, name="reports").start()
        self._process, self._inbox = process, inbox

    def _drain(self) -> None:
        while self._process is not None:
            try:
                result = self._inbox.get_nowait()
            except queue.Empty:
                return
            if result is None:
                self._fail(f"the report process ended with code {self._process.wait()}")
            elif result.report_id == READY and self._current is None:
                self._ready = True
            elif self._current is not None and result.report_id == self._current.report_id:
                self._failures = 0
                self._done.append(msgspec.structs.replace(result, seconds=self._clock() - self._since))
                self._current = None

    def _check_time(self) -> None:
        spent = self._clock() - self._since
        if self._process is None:
            return
        if self._current is not None and spent > self._settings.report_seconds_max:
            self._fail(f"took longer than {self._settings.report_seconds_max:g} seconds (report_seconds_max)")
        elif not self._ready and spent > self._settings.report_warmup_seconds_max:
            limit = self._settings.report_warmup_seconds_max
            self._fail(f"the report process was not ready after {limit:g} seconds (report_warmup_seconds_max)")

    def _hand_out(self) -> None:
        if self._process is None:
            self._give_up("no report process runs")
        if not self._ready or self._current is not None or not self._waiting:
            return
        request = self._waiting.popleft()
        message = msgspec.msgpack.encode(request)
        if len(message) > self._settings.report_bytes_max:
            reason = f"{len(message)} bytes of rows exceed {self._settings.report_bytes_max} (report_bytes_max)"
            self._done.append(ReportResult(report_id=request.report_id, error=reason))
            return
        self._current, self._since = request, self._clock()
        assert self._process is not None
        threading.Thread(target=_send, args=(self._process.stdin, message), daemon=True, name="reports-send").start()

    def _fail(self, reason: str) -> None:
        process, self._process = self._process, None
        self._ready = False
        if process is not None:
            _end(process)
        self._failures += 1
        if self._current is not None:
            self._done.append(ReportResult(report_id=self._current.report_id, error=reason))
            self._current = None
        if self._failures <= self._settings.report_restarts_max:
            self._spawn()
        else:
            self._give_up(f"no report process: it failed {self._failures} times in a row, last: {reason}")

    def _give_up(self, reason: str) -> None:
        left = [*([self._current] if self._current is not None else []), *self._waiting]
        self._done += [ReportResult(report_id=request.report_id, error=reason) for request in left]
        self._waiting.clear()
        self._current = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send(pipe: IO[bytes], message: bytes) -> None:
    """A child that died shows as the end of its output, so a broken pipe needs no answer here."""
    try:
        _write(pipe, message)
    except (BrokenPipeError, ValueError):
        return


def _listen(pipe: IO[bytes], inbox: queue.SimpleQueue[ReportResult | None], bytes_max: int) -> None:
    """Results into the inbox until the child's output ends; then None."""
    decoder = msgspec.msgpack.Decoder(ReportResult)
    while (message := _read(pipe, bytes_max)) is not None:
        try:
            inbox.put(decoder.decode(message))
        except msgspec.MsgspecError:
            break
    inbox.put(None)
    pipe.close()


def _write(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)) + message)
    pipe.flush()


def _read(pipe: IO[bytes], bytes_max: int) -> bytes | None:
    """One message; None at the end, or where it is longer than it may be."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = int(_LENGTH.unpack(head)[0])
    if length > bytes_max:
        return None
    body = pipe.read(length)
    return body if len(body) == length else None


def report_worker_main() -> None:
    """The child: import evidently, say so, then answer requests until standard input ends."""
    os.environ.update(_NO_STATISTICS)
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not land between answers
    bytes_max = 100_000_000
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read_requests() -> None:
        while (message := _read(sys.stdin.buffer, bytes_max)) is not None:
            inbox.put(message)
        os._exit(0)  # the parent is gone: stop in the middle of whatever is going on

    threading.Thread(target=read_requests, daemon=True).start()
    warnings.simplefilter("ignore")
    _render(_TRIAL)
    _write(answers, msgspec.msgpack.encode(ReportResult(report_id=READY)))
    decoder = msgspec.msgpack.Decoder(ReportRequest)
    while True:
        _write(answers, msgspec.msgpack.encode(_answer(decoder.decode(inbox.get()))))


_TRIAL_ROWS: list[Row] = [{"confidence": 0.5 + place / 100} for place in range(30)]
_TRIAL = ReportRequest(
    report_id=READY,
    reference=_TRIAL_ROWS,
    current=_TRIAL_ROWS,
    numeric=["confidence"],
    categorical=[],
    numeric_test="wasserstein",
    categorical_test="jensenshannon",
)


def _answer(request: ReportRequest) -> ReportResult:
    try:
        json, html = _render(request)
    except Exception as error:  # noqa: BLE001 whatever a report trips over is its answer; the process goes on
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return ReportResult(report_id=request.report_id, error=reason)
    return ReportResult(report_id=request.report_id, json=json, html=html)


def _render(request: ReportRequest) -> tuple[str, str]:
    """The report's JSON and HTML."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = [*request.numeric, *request.categorical]
    if not columns or not request.reference or not request.current:
        raise ValueError("nothing to compare: no column has values on both sides")
    definition = DataDefinition(numerical_columns=request.numeric, categorical_columns=request.categorical)

    def dataset(rows: list[Row]) -> Any:
        frame = pd.DataFrame(rows, columns=columns)
        for column in request.numeric:
            frame[column] = pd.to_numeric(frame[column])
        return Dataset.from_pandas(frame, data_definition=definition)

    preset = DataDriftPreset(columns=columns, num_method=request.numeric_test, cat_method=request.categorical_test)
    snapshot = Report([preset]).run(dataset(request.current), dataset(request.reference))
    return snapshot.json(), snapshot.get_html_str(as_iframe=False)


if __name__ == "__main__":
    report_worker_main()
