"""Reading of small files of a data folder: whatever stands in their place neither blocks nor ends the program.

It stands in ``schemas`` because rooms that may not import each other keep such files.
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat

__all__ = ["read_kept"]


def read_kept(path: pathlib.Path, bytes_max: int, *, follows_links: bool = False) -> bytes:
    """The bytes of the file; a link is refused unless ``follows_links``, as for keys that an administrator provides.

    Raises FileNotFoundError if there is no file, and OSError for a link, a folder, a FIFO that nobody writes to, or a
    file of more than ``bytes_max`` bytes; its ``strerror`` says which.
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
