"""Arrow messages read by both readers, which must say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.wire.reject import Reject
from streams.predictions.message_reader import Arrivals, read_predictions
from streams.predictions.prediction_reader import PredictionReader, Readings
from tests.support.arrow_rows import ARROW_HEADERS
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS

DAY_MS = 86_400_000
Headers = list[tuple[str, bytes | None]]


def record(data: bytes | None, number: int = 7, headers: Headers | None = None) -> PlainRecord:
    return PlainRecord(
        data, partition_number=3, number=number, header_list=ARROW_HEADERS if headers is None else headers
    )


def reader(**options: Any) -> PredictionReader:
    return PredictionReader(PREFIX, future_ms_max=DAY_MS, **options)


def read(records: Sequence[PlainRecord], **options: Any) -> Readings:
    return reader(**options).read([records], now_ms=NOW_MS)


def read_messages(records: Sequence[PlainRecord], **options: Any) -> Arrivals:
    return read_predictions(records, PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS, **options)


def ids(readings: Readings) -> list[str]:
    """The ids of all events in order of arrival."""
    located = [
        placed
        for part in readings.parts
        for placed in zip(part.offsets.tolist(), part.indexes.tolist(), part.columns.event_ids.texts, strict=True)
    ]
    return [event_id for _, _, event_id in sorted(located)]


def only_reject(data: bytes, **options: Any) -> Reject:
    """The one Reject of a message that holds nothing else; both readers must say the same."""
    readings = read([record(data)], **options)
    assert readings.parts == []
    assert readings.rejects == read_messages([record(data)], **options).rejects
    (reject,) = readings.rejects
    return reject
