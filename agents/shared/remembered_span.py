"""For how long INTAKE remembers the events that it judged: what the settings hold, and what each worker says it holds.

A worker says so with the offsets that it commits, in Kafka, where the console and ``watchloop check`` read it on any
machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from agents.settings import WorkerSettings
from streams.consume.seen_events import events_held

__all__ = ["capacity_text", "shortest_span", "span_note", "span_warning"]

_NOTE: Final = re.compile(r"remembered_seconds=(\d{1,7})")


def span_note(held_seconds: float, span_seconds: float) -> str:
    """What a worker says with its offsets: nothing as long as it holds the whole span.

    >>> span_note(600, 600), span_note(41.7, 600)
    ('', 'remembered_seconds=41')
    """
    return "" if held_seconds >= span_seconds else f"remembered_seconds={int(held_seconds)}"


def shortest_span(notes: Iterable[str]) -> int | None:
    """The shortest span in seconds that a worker says it holds; None if all hold the whole. Other notes are nothing.

    >>> shortest_span(["", "remembered_seconds=41", "of somebody else", "remembered_seconds=7"])
    7
    """
    spans = [int(match[1]) for match in map(_NOTE.fullmatch, notes) if match]
    return min(spans, default=None)


def capacity_text(worker: WorkerSettings) -> str:
    """How many events the memory of one worker holds, and up to which rate that is the whole span.

    >>> capacity_text(WorkerSettings())
    'a worker remembers 8,000,000 events at least: 600 s of up to 13,333 predictions a second'
    """
    span_seconds, events = worker.dedupe_span_seconds, events_held(worker.dedupe_memory_mb_max)
    if not span_seconds:
        return "no event is remembered: every retry gets a verdict"
    rate = events // span_seconds
    return f"a worker remembers {events:,} events at least: {span_seconds} s of up to {rate:,} predictions a second"


def span_warning(held_seconds: int, worker: WorkerSettings) -> str:
    """One sentence of a span that is not held as long as it is set, and what to do.

    >>> span_warning(41, WorkerSettings())
    'retries are known for 41 s instead of 600 s: raise worker.dedupe_memory_mb_max (256), or add workers'
    """
    return (
        f"retries are known for {held_seconds} s instead of {worker.dedupe_span_seconds} s: "
        f"raise worker.dedupe_memory_mb_max ({worker.dedupe_memory_mb_max}), or add workers"
    )
