"""Reads labels, of which a message holds one; LEARN and RECORD read them alike."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.texts.labels import label_problem
from schemas.wire import given
from schemas.wire.label import Label
from schemas.wire.prediction import epoch_ms, label_text
from streams.consume.unreadable_batch import check_record
from streams.message_limits import MessageLimits
from streams.predictions.prediction_checks import time_problem
from streams.predictions.reject_reasons import explained
from streams.records import Record

__all__ = ["label_in", "label_of"]

_given: Final = msgspec.json.Decoder(given.GivenLabel)


def label_of(record: Record, limits: MessageLimits, future_ms_max: int) -> Label:
    """The label that a message holds; raises MalformedError.

    ``future_ms_max`` bounds how far its time may lie ahead of the time at which Kafka received the message.
    """
    check_record(record, limits)
    return label_in(record.value() or b"", record.timestamp()[1] + future_ms_max)


def label_in(data: bytes, latest_ms: int) -> Label:
    """A label out of JSON; raises MalformedError. ``latest_ms`` (epoch milliseconds) bounds its time.

    >>> data = b'{"event_id": "e-1", "model": "churn", "time": 1790000000000, "label": "stay"}'
    >>> label_in(data, 1_800_000_000_000).label
    'stay'
    """
    try:
        label = given.label_of(_given.decode(data))
    except UNREADABLE as error:
        raise explained(MalformedError.of(error, data), data, many=False) from error
    wrong_label = label_problem(label_text(label.label))
    if wrong_label is not None:
        raise MalformedError(f"{wrong_label} - at `$.label`")
    problem = time_problem(epoch_ms(label.time), latest_ms)
    if problem is not None:
        expected = "expected when the truth was known, RFC 3339 or epoch milliseconds"
        raise MalformedError(f"{problem}; {expected} - at `$.time`")
    return label
