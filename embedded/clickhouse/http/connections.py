"""The server below the application: bounds on connections and on heads of requests, which come before any password."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from embedded.clickhouse.settings import EmbeddedClickHouseSettings

__all__ = ["serve"]

GRACE_SECONDS = 20


def serve(app: Any, listening: socket.socket, settings: EmbeddedClickHouseSettings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what runs and close the database.

    The parser of requests is h11, which keeps no more than ``head_bytes_max`` of a head that is not complete.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    class Protocol(PatientProtocol):
        head_seconds_max = settings.head_seconds_max
        answer_seconds_max = settings.answer_seconds_max

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        access_log=False,
        log_level="error",  # what a client does wrong is the client's to read, and would fill the log
        lifespan="on",
        limit_concurrency=settings.connections_max,
        h11_max_incomplete_event_size=settings.head_bytes_max,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config).run(sockets=[listening])


class PatientProtocol(H11Protocol):
    """A connection that is closed where a head takes too long to come, or an answer to go; uvicorn waits for ever."""

    head_seconds_max: float = 10.0
    answer_seconds_max: float = 300.0
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected: its first head has ``head_seconds_max`` to come."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Some of a request has arrived."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: nothing is timed any more."""
        self._stop_watching()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read; closing would wait until it does."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.answer_seconds_max, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again, so its time to take the answer no longer runs."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _watch_head(self) -> None:
        """Between two requests uvicorn's own timer runs; from the first byte of a head to its last, this one."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watching()
        elif self._timer is None and self.timeout_keep_alive_task is None:
            self._timer = self.loop.call_later(self.head_seconds_max, self.transport.close)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """uvicorn, ended by a signal with exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn's own handler sends itself the signal again afterwards."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        yield
