"""Small files of a data folder, read so that nothing put in their place can hold up or end a program."""

from __future__ import annotations

import errno
import os
import pathlib
import stat

__all__ = ["read_kept"]


def read_kept(path: pathlib.Path, bytes_max: int, *, follows_links: bool = False) -> bytes:
    """What the file holds; a link is followed only where somebody else may have put the file there, as for keys.

    Raises FileNotFoundError where there is none, and OSError, whose ``strerror`` says what it is instead, for a link, a
    folder, a FIFO that nobody writes to, and what has more than ``bytes_max`` bytes.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follows_links else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a link; expected a file", str(path)) from None
        raise
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        if state.st_size > bytes_max:
            raise OSError(errno.EFBIG, f"has {state.st_size} bytes; expected at most {bytes_max}", str(path))
        with os.fdopen(os.dup(file), "rb") as opened:
            return opened.read(bytes_max)
    finally:
        os.close(file)
