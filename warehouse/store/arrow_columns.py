"""Predictions and verdicts as Arrow columns for ClickHouse: one pass over each field, no object for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.wire.prediction import Prediction, confidence_of, label_text
from warehouse.store.feature_maps import CODED, TEXT, ends_of, feature_maps

__all__ = ["Identities", "encode_columns", "prediction_columns", "verdict_columns"]

Ints = npt.NDArray[np.int64]

TIME: Final = pa.timestamp("ms", "UTC")

VERDICT_TIMES: Final = frozenset({"time", "decided_at"})
VERDICT_NULLABLE: Final = frozenset({"learned_version", "learned_prediction", "settled_label"})
"""Columns in which NULL stands for an empty text."""

TEXT_TYPES: Final = frozenset({str})


@dataclass(frozen=True, slots=True)
class Identities:
    """Identities of rows of one partition: Kafka's id of the topic; each row's offset and its index in that message."""

    topic_id: str
    partition: int
    offsets: Sequence[int] | Ints
    indexes: Sequence[int] | Ints


def prediction_columns(events: Sequence[Prediction], times_ms: Sequence[int], identities: Identities) -> Any:
    """The rows of ``predictions`` as a pyarrow.RecordBatch; ``times_ms`` are their times in epoch milliseconds."""
    features = feature_maps([event.features for event in events])
    consents = [event.consent for event in events]
    columns = {
        "event_id": _texts([event.event_id for event in events]),
        "model": _coded([event.model for event in events]),
        "model_version": _coded([event.model_version for event in events]),
        "time": _times(times_ms),
        "features": features.numbers,
        "features_integer": features.integers,
        "features_text": features.texts,
        "prediction": _labels([event.prediction for event in events]),
        "confidence": _floats(
            [confidence_of(event) if event.confidence is None else event.confidence for event in events]
        ),
        "probabilities": _maps([event.probabilities for event in events], _floats),
        "slices": _maps([event.slices for event in events], _texts),
        "risk": _floats([event.risk for event in events]),
        "subject": _texts([event.subject or "" for event in events]),
        "consent_review": _flags([consent.review for consent in consents]),
        "consent_learn": _flags([consent.learn for consent in consents]),
        "content": _texts([event.content or "" for event in events]),
        "producer": _coded([event.producer for event in events]),
    }
    return _batch(columns, identities)


def verdict_columns(batches: Sequence[Any], identities: Identities) -> Any:
    """The rows of ``verdicts`` as a pyarrow.RecordBatch.

    ``batches`` hold the verdicts as ``schemas.columns.verdict_columns`` has them, one batch after the other.
    """
    pieces = [_verdict_columns(batch) for batch in batches]
    verdicts = pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
    return _batch(dict(zip(verdicts.schema.names, verdicts.columns, strict=True)), identities)


def _verdict_columns(batch: Any) -> Any:
    """The columns of one batch as ClickHouse has them."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, column in columns.items():
        if pa.types.is_dictionary(column.type):
            columns[name] = _recoded(column, null_text="" if name in VERDICT_NULLABLE else None)
        elif pa.types.is_list(column.type):
            columns[name] = pa.ListArray.from_arrays(column.offsets, _recoded(column.values))
        elif name in VERDICT_TIMES:
            columns[name] = column.view(TIME)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _recoded(column: Any, null_text: str | None = None) -> Any:
    """Coded texts with codes of 32 bits, as those of many batches need; null stands for ``null_text``."""
    codes, texts = column.indices.to_numpy().astype(np.int32), column.dictionary
    null_code = -1 if null_text is None else texts.index(null_text).as_py()
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes == null_code if null_code >= 0 else None), texts)


def encode_columns(batch: Any) -> bytes:
    """A pyarrow.RecordBatch, or a slice of one, as an Arrow IPC stream (ClickHouse's ArrowStream)."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _maps(given: Sequence[Mapping[str, Any] | None], array_of: Callable[[Sequence[Any]], Any]) -> Any:
    """An array of maps with any keys; None becomes an empty map."""
    if not any(given):
        return pa.MapArray.from_arrays(pa.array(np.zeros(len(given) + 1, np.int32)), _coded([]), array_of([]))
    maps = [pairs or {} for pairs in given]
    values = list(chain.from_iterable([pairs.values() for pairs in maps]))
    keys = _coded(list(chain.from_iterable(maps)))
    return pa.MapArray.from_arrays(pa.array(ends_of(maps), pa.int32()), keys, array_of(values))


def _labels(values: Sequence[str | int | bool]) -> Any:
    return _coded(values if TEXT_TYPES.issuperset(map(type, values)) else list(map(label_text, values)))


def _texts(values: Sequence[Any]) -> Any:
    return pa.array(values, TEXT)


def _coded(values: Sequence[Any]) -> Any:
    return pa.array(values, CODED)


def _floats(values: Sequence[float | None]) -> Any:
    return pa.array(values, pa.float64())


def _flags(values: Sequence[bool]) -> Any:
    return pa.array(values, pa.bool_())


def _times(times_ms: Sequence[int]) -> Any:
    return pa.array(np.array(times_ms, np.int64).view("datetime64[ms]"), TIME)


def _batch(columns: dict[str, Any], identities: Identities) -> Any:
    rows = len(identities.offsets)
    columns["_topic_id"] = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(rows, np.int32)), pa.array([identities.topic_id], TEXT)
    )
    columns["_partition"] = pa.array(np.full(rows, identities.partition, np.uint32))
    columns["_offset"] = pa.array(np.array(identities.offsets, np.uint64))
    columns["_index"] = pa.array(np.array(identities.indexes, np.uint32))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
