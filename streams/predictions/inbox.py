"""Predictions out of messages, as Structs: JSON and Arrow, bare or wrapped; what cannot be read becomes a Reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.codec import UNREADABLE
from streams.consume.records import Record
from streams.predictions.careful import Arrivals, CarefulReader, SchemaCheck
from streams.predictions.checks import PREDICTION_BYTES_MAX, MessageLimits, may_hold_many_digits, usual_times
from streams.predictions.envelope import usual_bodies
from streams.predictions.json.decoding import predictions_of

__all__ = ["Arrivals", "read_predictions"]

USUAL_LIMITS: Final = MessageLimits()
RUN_MESSAGES: Final = 200
"""Messages that are read at once: one that is unusual costs no more than these a second look."""


def read_predictions(
    records: Sequence[Record],
    prefix: str,
    *,
    now_ms: int,
    future_ms_max: int,
    bytes_max: int = PREDICTION_BYTES_MAX,
    limits: MessageLimits = USUAL_LIMITS,
    schemas: SchemaCheck | None = None,
) -> Arrivals:
    """Decode and check a batch.

    ``future_ms_max`` bounds how far an event's time may lie ahead of the time at which Kafka took its message, so that
    whoever reads the message, whenever, comes to the same answer. ``bytes_max`` bounds one prediction as JSON,
    ``limits`` a message. An empty array holds no prediction and gives nothing. ``schemas`` knows the schemas that a
    registry's prefix names.
    """
    arrivals = Arrivals()
    careful = CarefulReader(arrivals, prefix, now_ms, future_ms_max, bytes_max, limits, schemas)
    for start in range(0, len(records), RUN_MESSAGES):
        run = records[start : start + RUN_MESSAGES]
        if not _read_run(run, arrivals, future_ms_max, bytes_max, limits, schemas):
            for record in run:
                careful.read(record)
    return arrivals


def _read_run(
    records: Sequence[Record],
    arrivals: Arrivals,
    future_ms_max: int,
    bytes_max: int,
    limits: MessageLimits,
    schemas: SchemaCheck | None,
) -> bool:
    """Read messages of one usual prediction each, all at once; False, and nothing is read, where any is otherwise."""
    bodies = usual_bodies(records, limits)
    if bodies is None or bodies.json[0][:1] != b"{" or sum(map(len, bodies.json)) > bytes_max:
        return False
    if schemas is not None and any(map(schemas.problem_of, bodies.schema_ids)):
        return False
    # Digits without end are so in all messages together as well; the reverse is asked of each.
    if may_hold_many_digits(b"".join(bodies.json)) and any(map(may_hold_many_digits, bodies.json)):
        return False
    try:
        events = predictions_of(bodies.json, bare=lambda: not any(record.headers() for record in records))
    except UNREADABLE:
        return False
    times_ms = usual_times(events, min([record.timestamp()[1] for record in records]) + future_ms_max)
    if times_ms is None:
        return False
    arrivals.events += events
    arrivals.times_ms += times_ms
    arrivals.partitions += [record.partition() for record in records]
    arrivals.offsets += [record.offset() for record in records]
    arrivals.indexes += [0] * len(events)
    return True
