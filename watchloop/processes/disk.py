"""How much space is left on the disk of the data folder; an error on a full disk is reported as a full disk."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Final

from embedded.errors import EmbeddedError
from schemas.texts.one_line import one_line
from streams.errors import StreamsError
from warehouse.errors import LINE_CHARS_MAX, WarehouseError
from watchloop.errors import NoAccess, NoRoomLeft, WatchloopError

__all__ = ["FULL_BYTES", "DiskWatch", "free_bytes", "full_disk", "naming_full_disk"]

FULL_BYTES: Final = 4 * 1024 * 1024
"""A disk with less free space counts as full: a segment's indexes of Kafka, or a part of ClickHouse, need more."""
MIB: Final = 1024 * 1024


def free_bytes(folder: pathlib.Path) -> int | None:
    """Bytes that this account may still write to the disk of a folder; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def full_disk(folder: pathlib.Path, error: BaseException | None = None) -> str:
    """A line that says on which disk no space is left, or an empty text.

    The disk counts as full also if ``error`` says so, because some bytes may have been freed since.
    """
    free = free_bytes(folder)
    is_reported = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not is_reported and (free is None or free >= FULL_BYTES):
        return ""
    left = "" if free is None else f" ({free / MIB:.1f} MiB are free)"
    return f"no space is left on the disk of {folder}{left}: free some, or name a folder on another disk with --data"


@contextlib.contextmanager
def naming_full_disk(folder: pathlib.Path) -> Iterator[None]:
    """Errors raised inside become NoRoomLeft if the folder's disk is full, and NoAccess if they are about a file."""
    try:
        yield
    except (OSError, EmbeddedError, StreamsError, WarehouseError, WatchloopError) as error:
        if full := full_disk(folder, error):
            raise NoRoomLeft(f"{full} (seen first: {one_line(error, LINE_CHARS_MAX)})") from error
        if isinstance(error, OSError) and error.filename is not None:
            raise NoAccess(f"{error.filename}: {error.strerror}") from error
        raise


class DiskWatch:
    """Reports once when a disk has little space, and once when it is full; again only if it had more space in between.

    Below ``stored_bytes_min`` free bytes the embedded ClickHouse stores nothing more.
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
        """A line about the disk, or an empty text where it is no fuller than before."""
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
