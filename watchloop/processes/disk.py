"""How much room is left on the disk of the data folder, in words: whatever fails on a full one, that is the cause."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Final

from embedded.errors import EmbeddedError
from streams.errors import StreamsError
from warehouse.errors import WarehouseError, one_line
from watchloop.errors import NoAccess, NoRoomLeft, WatchloopError

__all__ = ["FULL_BYTES", "DiskWatch", "free_bytes", "full_disk", "told_of_disk"]

FULL_BYTES: Final = 4 * 1024 * 1024
"""A disk with less than this is full: Kafka cannot make another segment's indexes, nor ClickHouse a part."""
MIB: Final = 1024 * 1024


def free_bytes(folder: pathlib.Path) -> int | None:
    """Bytes that this account may still write where a folder is; None where nobody can tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def full_disk(folder: pathlib.Path, error: BaseException | None = None) -> str:
    """The line that says that no space is left and where, or an empty text.

    An ``error`` may tell it although some bytes are free again since.
    """
    free = free_bytes(folder)
    is_told = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not is_told and (free is None or free >= FULL_BYTES):
        return ""
    left = "" if free is None else f" ({free / MIB:.1f} MiB are free)"
    return f"no space is left on the disk of {folder}{left}: free some, or name a folder on another disk with --data"


@contextlib.contextmanager
def told_of_disk(folder: pathlib.Path) -> Iterator[None]:
    """Errors of what runs in a folder, with the full disk as their cause where it is full.

    Raises NoRoomLeft there, and NoAccess for any other error about a file.
    """
    try:
        yield
    except (OSError, EmbeddedError, StreamsError, WarehouseError, WatchloopError) as error:
        if full := full_disk(folder, error):
            raise NoRoomLeft(f"{full} (seen first: {one_line(str(error))})") from error
        if isinstance(error, OSError) and error.filename is not None:
            raise NoAccess(f"{error.filename}: {error.strerror}") from error
        raise


class DiskWatch:
    """Says once when a disk has little room, and once when it has none; again only where it had more meanwhile.

    Below ``stored_bytes_min`` the embedded ClickHouse stores nothing more.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        stored_bytes_min: int,
        free: Callable[[pathlib.Path], int | None] = free_bytes,
    ) -> None:
        self._folder = folder
        self._stored_bytes_min = stored_bytes_min
        self._free = free
        self._level = 0

    def news(self) -> str:
        """A line, or an empty text where nothing has changed."""
        free = self._free(self._folder)
        if free is None:
            return ""
        level = 2 if free < FULL_BYTES else int(free < self._stored_bytes_min)
        before, self._level = self._level, level
        if level <= before:
            return ""
        where = f"the disk of {self._folder}"
        if level == 2:
            return f"no space is left on {where} ({free / MIB:.1f} MiB are free): free some"
        return (
            f"little space is left on {where}: {free / MIB:.0f} MiB are free, and below"
            f" embedded_clickhouse.disk_free_bytes_min = {self._stored_bytes_min / MIB:.0f} MiB nothing more is stored"
            " in ClickHouse; what waits is stored once there is room"
        )
