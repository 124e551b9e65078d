"""Background: work in a thread of its own, whose value or error is asked for later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Background"]

T = TypeVar("T")


class Background(Generic[T]):
    """Begins at once; the program does not wait for it when it ends."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._make())
        except BaseException as error:  # noqa: BLE001  # raised again where the value is asked for
            self._error = error

    def is_done(self, seconds: float) -> bool:
        """Whether it has ended, waiting for that so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        """Wait for its value; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]
