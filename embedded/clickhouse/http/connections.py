"""The HTTP server below the application: bounds on connections and on heads, before a password is read."""

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
    """Serve until SIGTERM or SIGINT; then finish the running requests and close the database.

    h11 parses the requests; it keeps at most ``head_bytes_max`` bytes of an incomplete head.
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
        log_level="error",  # a client reads its own errors; in the log they would fill the disk
        lifespan="on",
        limit_concurrency=settings.connections_max,
        h11_max_incomplete_event_size=settings.head_bytes_max,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config).run(sockets=[listening])


class PatientProtocol(H11Protocol):
    """A connection that is closed when a head arrives, or an answer leaves, too slowly; uvicorn would wait for ever."""

    head_seconds_max: float = 10.0
    answer_seconds_max: float = 300.0
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client connects: its first head must arrive within ``head_seconds_max``."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Called when a part of a request arrives."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection ends: its timers stop."""
        self._stop_watching()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the client does not read its answer: the connection is aborted after ``answer_seconds_max``."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.answer_seconds_max, self.transport.abort)

    def resume_writing(self) -> None:
        """Called when the client reads again: the timer of the answer stops."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _watch_head(self) -> None:
        """Time a head from its first byte to its last; between two requests uvicorn's own timer runs."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watching()
        elif self._timer is None and self.timeout_keep_alive_task is None:
            self._timer = self.loop.call_later(self.head_seconds_max, self.transport.close)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """A uvicorn server that ends with exit code 0 at a signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal. uvicorn's own handler would send the signal to the process again at the end."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        yield
