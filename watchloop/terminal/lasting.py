"""Output of a long-running program, which goes on when a line cannot be written.

The reader of its output may have ended (``tee`` in ``watchloop up | tee``) or stopped reading, the terminal may be
closed, or the disk full. A short command needs none of this: without a reader it may end.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
from typing import Final, TextIO

__all__ = ["Lasting"]

READER_SECONDS_MAX: Final = 1.0
"""The wait for a reader that has stopped reading. Output is then dropped, without a wait, until it reads again."""


class Lasting(io.TextIOBase):
    """A text stream that writes to the descriptor of ``file``, and drops what cannot be written.

    It has no buffer, so that nothing can fail later. Characters outside the file's encoding are written as escapes.
    """

    def __init__(self, file: TextIO, *, reader_seconds_max: float = READER_SECONDS_MAX) -> None:
        self._file = file
        self._reader_seconds_max = reader_seconds_max
        self._stands_still = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io.TextIOBase has an attribute here
        """The encoding of the file, ``utf-8`` where it has none."""
        return self._file.encoding or "utf-8"

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._file.isatty()

    def fileno(self) -> int:
        """The descriptor of the file. Raises ``OSError`` where the file has none."""
        return self._file.fileno()

    def writable(self) -> bool:
        """Always True."""
        return True

    def write(self, text: str) -> int:
        """Write what can be written; returns the number of characters in ``text``, dropped ones included."""
        with contextlib.suppress(OSError, ValueError):
            try:
                descriptor = self.fileno()
            except OSError:
                self._file.write(text)
            else:
                self._put(descriptor, text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing, as there is no buffer."""

    def _put(self, descriptor: int, data: bytes) -> None:
        """Write bytes, or drop those that the reader does not take in time. Raises ``OSError`` where it has ended."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while data:
            if not poll.poll(0 if self._stands_still else self._reader_seconds_max * 1000):
                self._stands_still = True
                return
            self._stands_still = False
            # A pipe that is ready takes PIPE_BUF bytes without waiting.
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
