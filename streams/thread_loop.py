"""A loop in its own thread, as a service that faust supervises."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import faust
import structlog

__all__ = ["ThreadLoop"]

log = structlog.get_logger(__name__)


class ThreadLoop(faust.Service):
    """Runs ``body(stop)`` in a thread. An exception that ``body`` raises ends the worker.

    ``body`` returns once ``stop`` is set. A stop waits for the thread for at most ``stop_seconds_max``. An error of a
    type in ``explained`` is logged as its text, any other error with its traceback.
    """

    abstract = False

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        *,
        stop_seconds_max: float = 30.0,
        explained: tuple[type[BaseException], ...] = (),
        **kwargs: Any,
    ) -> None:
        self.loop_name = name
        self.body = body
        self.stop_seconds_max = stop_seconds_max
        self.explained = explained
        self.halt = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        super().__init__(**kwargs)

    @property
    def label(self) -> str:
        """The name of this service in faust's log."""
        return f"ThreadLoop: {self.loop_name}"

    def _run(self) -> None:
        try:
            self.body(self.halt)
        except BaseException as error:  # noqa: BLE001  # _watch passes it to faust, which ends the worker
            self.failure = error
        except:  # noqa: E722  # the Kafka client can raise an object that is no exception
            self.failure = RuntimeError(f"{self.loop_name} ended: {sys.exc_info()[1]}")

    async def on_start(self) -> None:
        """Start the thread. faust calls this when the worker starts."""
        self.thread.start()

    @faust.Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            if not self.thread.is_alive():
                if self.failure is not None:
                    trace = None if isinstance(self.failure, self.explained) else self.failure
                    log.error("loop failed", loop=self.loop_name, error=str(self.failure), exc_info=trace)
                    await self.crash(self.failure)
                return
            await self.sleep(0.2)

    async def on_stop(self) -> None:
        """Ask the thread to stop and wait until it has finished its batch, for at most ``stop_seconds_max``."""
        self.halt.set()
        if self.thread.is_alive():
            await asyncio.to_thread(self.thread.join, self.stop_seconds_max)
        if self.thread.is_alive():
            log.warning("loop did not stop in time", loop=self.loop_name, seconds=self.stop_seconds_max)
