"""Where a program that runs for long writes its lines: one that cannot be written changes nothing of what it does.

Whoever read them may be gone (``watchloop up | tee`` without its tee) or stand still, the terminal may be closed, the
disk full; the program goes on. A short command is another matter: without a reader it has nothing to do, and ends.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
from typing import Final, TextIO

__all__ = ["Lasting"]

READER_SECONDS_MAX: Final = 1.0
"""How long a reader that stands still is waited for; then what it does not take is left out, until it takes some."""


class Lasting(io.TextIOBase):
    """Text into ``file``, as far as that takes it, by its descriptor: nothing is left behind that could fail later.

    What its encoding has no bytes for is written as an escape.
    """

    def __init__(self, file: TextIO, *, reader_seconds_max: float = READER_SECONDS_MAX) -> None:
        self._file = file
        self._reader_seconds_max = reader_seconds_max
        self._stands_still = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io.TextIOBase has an attribute here
        """The name of the file's encoding, ``utf-8`` where it has none."""
        return self._file.encoding or "utf-8"

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        return self._file.isatty()

    def fileno(self) -> int:
        """Where it goes. Raises ``OSError`` where that is no file of the system."""
        return self._file.fileno()

    def writable(self) -> bool:
        """It takes whatever it is given."""
        return True

    def write(self, text: str) -> int:
        """Write what can be written; returns the number of characters, of those left out too."""
        with contextlib.suppress(OSError, ValueError):
            try:
                descriptor = self.fileno()
            except OSError:
                self._file.write(text)
            else:
                self._put(descriptor, text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: what was written has gone to the system already, or was left out."""

    def _put(self, descriptor: int, data: bytes) -> None:
        """Raises ``OSError`` where nobody takes it any more."""
        asked = select.poll()
        asked.register(descriptor, select.POLLOUT)
        while data:
            if not asked.poll(0 if self._stands_still else self._reader_seconds_max * 1000):
                self._stands_still = True
                return
            self._stands_still = False
            # A pipe that takes something takes so much without waiting.
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
