"""Python's garbage collector, for a process that lives long and makes many short-lived objects."""

from __future__ import annotations

import gc

__all__ = ["settle_memory"]

YOUNG_OBJECTS_MAX = 20_000
"""Objects between two looks at the youngest: about as many as a batch makes."""


def settle_memory() -> None:
    """Call it once everything is set up: modules and other lasting objects are not looked at again.

    Otherwise the collector walks over all that the imports made, again and again, which took a quarter of INTAKE's
    time. What is made later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 10, 10)
