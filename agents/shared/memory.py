"""Memory of a process that lives long and makes many short-lived objects: Python's collector, and the allocator."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

__all__ = ["keep_freed_memory", "settle_memory"]

YOUNG_OBJECTS_MAX = 20_000
"""Objects between two looks at the youngest: about as many as a batch makes."""

FREED_BYTES_KEPT_MAX: Final = 128 * 1024 * 1024
"""Freed memory that each of the allocator's arenas may keep; what is freed beyond it goes back to the system."""

MAPPED_BYTES_MIN: Final = 32 * 1024 * 1024
"""Pieces from this size on are mapped one by one, and given back at once: glibc allows no more."""

ARENAS_MAX: Final = 2
"""Parts of the allocator's memory: each keeps what was freed in it, and with one a thread that is more than is used."""

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of mallopt(3)."""


def settle_memory() -> None:
    """Call it once everything is set up: modules and other lasting objects are not looked at again.

    Otherwise the collector walks over all that the imports made, again and again, which took a quarter of INTAKE's
    time. What is made later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 10, 10)


def keep_freed_memory() -> None:
    """Let a process that needs the same memory batch after batch keep it, up to ``FREED_BYTES_KEPT_MAX`` an arena.

    glibc gives buffers of more than 128 KiB back to the system when they are freed, and the system clears every page
    that it hands out again: a tenth of INTAKE's time, most of it in the Kafka client. Does nothing without glibc.
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
