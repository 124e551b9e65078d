"""Memory of a process that runs for long and makes many short-lived objects: Python's collector, and the allocator."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

__all__ = ["keep_freed_memory", "settle_memory"]

YOUNG_OBJECTS_MAX = 20_000
"""New objects after which the collector looks at the youngest: about as many as a batch makes."""

FREED_BYTES_KEPT_MAX: Final = 128 * 1024 * 1024
"""Freed memory that each of the allocator's arenas may keep; memory freed beyond it goes back to the system."""

MAPPED_BYTES_MIN: Final = 32 * 1024 * 1024
"""Larger pieces are mapped one by one, and returned as soon as they are freed. glibc allows no larger value."""

ARENAS_MAX: Final = 2
"""Arenas of the allocator. Each keeps the memory freed in it: with one a thread that would be more than is in use."""

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of mallopt(3)."""


def settle_memory() -> None:
    """Exempt all present objects from garbage collection. Call it once everything is set up.

    Otherwise the collector looks at everything that the imports made again and again, which took a quarter of INTAKE's
    time. Objects made later are collected as usual.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 10, 10)


def keep_freed_memory() -> None:
    """Let a process that needs the same memory batch after batch keep it, up to ``FREED_BYTES_KEPT_MAX`` an arena.

    By default glibc returns buffers of more than 128 KiB to the system when they are freed, and the system clears every
    page that it hands out again. That took a tenth of INTAKE's time, most of it in the Kafka client. Does nothing
    without glibc.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(M_ARENA_MAX, ARENAS_MAX)
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN)
    mallopt(M_TRIM_THRESHOLD, FREED_BYTES_KEPT_MAX)
