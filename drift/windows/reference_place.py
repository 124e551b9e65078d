"""Where a step of the stream lies, seen from a reference: within it, past it, or before it."""

from __future__ import annotations

from typing import Final

from drift.windows.window import Window
from schemas.wire.reference import Reference

__all__ = ["is_past", "is_within"]

DAY_MS: Final = 86_400_000
"""So much later than the reference an event is past it wherever it lies: the log has begun anew."""


def is_past(reference: Reference, step: Window) -> bool:
    """Whether most events of the step came after what the reference was made of, so that they are compared with it.

    The log tells, not the clock: a reference of events whose clock ran ahead is past as soon as it has been read. Event
    time decides where the log cannot: between events of one message, and for a reference that does not say how far the
    log had been read.
    """
    is_later = step.time > reference.time_max
    if not reference.last_offsets or step.time > reference.time_max + DAY_MS:
        return is_later
    events = 0
    for block in step.blocks:
        last = reference.last_offsets.get(block.partition, -1)
        if block.last_offset > last or (is_later and block.last_offset == last):
            events += block.events
    return 2 * events > step.events


def is_within(reference: Reference, step: Window) -> bool:
    """Whether the step is of the time of the reference: read again, it tells the detectors what they had seen."""
    return reference.time_min <= step.time <= reference.time_max
