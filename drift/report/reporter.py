"""Reporter: starts, feeds and watches the process that makes Evidently reports.

Importing evidently takes ten seconds and a report one to three, so both happen in a child process (``python -m
drift.report.process``) that is started ahead.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

import msgspec

from drift.report.pipe import READY, ReportResult, read_message, write_message
from drift.report.request import ReportRequest
from drift.settings import DriftSettings

__all__ = ["NO_STATISTICS", "Reporter"]

NO_STATISTICS = {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
"""Switches evidently's usage statistics off."""
STOP_SECONDS_MAX = 2.0


class Reporter:
    """The parent's side: keeps one report process warm and makes one report at a time. Not thread-safe.

    ``poll`` does everything that needs doing and never blocks; call it a few times a second. ``submit`` where
    ``is_free``: every request is answered by exactly one result. A report that takes longer than ``report_seconds_max``
    ends the process; a dead process is started again, up to ``report_restarts_max`` failures in a row, after which
    requests are answered with the reason until ``report_retry_seconds`` later it is started again. ``may_retry`` of a
    result says whether the same request may succeed another time. ``clock`` gives seconds that never go back.
    """

    def __init__(self, settings: DriftSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._waiting: ReportRequest | None = None
        self._done: list[ReportResult] = []
        self._current: ReportRequest | None = None
        self._since = 0.0
        self._ready = False
        self._failures = 0
        self._none_because = "no report process runs"
        self._again_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: queue.SimpleQueue[ReportResult | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the process; it is ready some ten seconds later."""
        self.stop()
        self._failures = 0
        self._spawn()

    @property
    def is_free(self) -> bool:
        """Whether a request may be submitted: none is in hand."""
        return self._current is None and self._waiting is None

    def submit(self, request: ReportRequest) -> None:
        """Take the next request; raises ValueError while there is another."""
        if not self.is_free:
            raise ValueError("one report at a time: another is being made")
        self._waiting = request

    def poll(self) -> list[ReportResult]:
        """Results that have come since the last call."""
        self._drain()
        self._check_time()
        self._hand_out()
        done, self._done = self._done, []
        return done

    def stop(self) -> None:
        """End the process; what was waiting is answered by the next ``poll``."""
        process, self._process = self._process, None
        self._ready = False
        self._again_at = None
        if process is not None:
            _end(process)
        self._give_up("the report process was stopped")

    def _spawn(self) -> None:
        self._ready = False
        self._since = self._clock()
        inbox: queue.SimpleQueue[ReportResult | None] = queue.SimpleQueue()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "drift.report.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **NO_STATISTICS},
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
                self._done.append(result)
                self._current = None

    def _check_time(self) -> None:
        now = self._clock()
        spent = now - self._since
        if self._process is None:
            if self._again_at is not None and now >= self._again_at:
                self._again_at, self._failures = None, 0
                self._spawn()
            return
        if self._current is not None and spent > self._settings.report_seconds_max:
            self._fail(f"took longer than {self._settings.report_seconds_max:g} seconds (report_seconds_max)")
        elif not self._ready and spent > self._settings.report_warmup_seconds_max:
            limit = self._settings.report_warmup_seconds_max
            self._fail(f"the report process was not ready after {limit:g} seconds (report_warmup_seconds_max)")

    def _hand_out(self) -> None:
        if self._process is None:
            self._give_up(self._none_because)
        if not self._ready or self._current is not None or self._waiting is None:
            return
        request, self._waiting = self._waiting, None
        try:
            message = msgspec.msgpack.encode(request)
        except (OverflowError, TypeError, ValueError) as error:
            self._done.append(ReportResult(report_id=request.report_id, error=f"rows that cannot be sent: {error}"))
            return
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
            self._done.append(ReportResult(report_id=self._current.report_id, error=reason, may_retry=True))
            self._current = None
        if self._failures <= self._settings.report_restarts_max:
            self._spawn()
        else:
            self._again_at = self._clock() + self._settings.report_retry_seconds
            self._none_because = f"no report process: it failed {self._failures} times in a row, last: {reason}"
            self._give_up(self._none_because)

    def _give_up(self, reason: str) -> None:
        left = [request for request in (self._current, self._waiting) if request is not None]
        self._done += [ReportResult(report_id=request.report_id, error=reason, may_retry=True) for request in left]
        self._current = self._waiting = None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send(pipe: IO[bytes], message: bytes) -> None:
    """Write the message; a broken pipe is ignored, because ``_listen`` notices a child that died."""
    try:
        write_message(pipe, message)
    except (BrokenPipeError, ValueError):
        return


def _listen(pipe: IO[bytes], inbox: queue.SimpleQueue[ReportResult | None], bytes_max: int) -> None:
    """Put results into the inbox until the child's output ends; then None."""
    decoder = msgspec.msgpack.Decoder(ReportResult)
    while (message := read_message(pipe, bytes_max)) is not None:
        try:
            inbox.put(decoder.decode(message))
        except msgspec.MsgspecError:  # a child whose output is spoilt is as good as dead
            break
    inbox.put(None)
    pipe.close()
