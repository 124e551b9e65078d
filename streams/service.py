"""A loop in a thread of its own, supervised by faust."""

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
    """Runs ``body(stop)`` in a thread until ``stop`` is set; what it raises crashes the worker.

    ``stop_seconds_max`` bounds how long a stop waits for the batch in hand. An error of ``told`` says all in its text;
    of any other the log has the traceback.
    """

    abstract = False

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        *,
        stop_seconds_max: float = 30.0,
        told: tuple[type[BaseException], ...] = (),
        **kwargs: Any,
    ) -> None:
        self.loop_name = name
        self.body = body
        self.stop_seconds_max = stop_seconds_max
        self.told = told
        self.halt = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        super().__init__(**kwargs)

    @property
    def label(self) -> str:
        """How faust's own logs name it."""
        return f"ThreadLoop: {self.loop_name}"

    def _run(self) -> None:
        try:
            self.body(self.halt)
        except BaseException as error:  # noqa: BLE001  # handed on to the event loop, which crashes the worker
            self.failure = error
        except:  # noqa: E722  # the Kafka client can raise what is no exception
            self.failure = RuntimeError(f"{self.loop_name} ended: {sys.exc_info()[1]}")

    async def on_start(self) -> None:
        """Start the thread; faust calls it, and waits for no first round."""
        self.thread.start()

    @faust.Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            if not self.thread.is_alive():
                if self.failure is not None:
                    trace = None if isinstance(self.failure, self.told) else self.failure
                    log.error("loop failed", loop=self.loop_name, error=str(self.failure), exc_info=trace)
                    await self.crash(self.failure)
                return
            await self.sleep(0.2)

    async def on_stop(self) -> None:
        """Let the batch in hand finish."""
        self.halt.set()
        if self.thread.is_alive():
            await asyncio.to_thread(self.thread.join, self.stop_seconds_max)
        if self.thread.is_alive():
            log.warning("loop did not stop in time", loop=self.loop_name, seconds=self.stop_seconds_max)
