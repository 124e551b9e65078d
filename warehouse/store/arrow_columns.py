"""Predictions and verdicts as Arrow columns for ClickHouse: one pass over each field, no object for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas.wire.prediction import Prediction, confidence_of, label_text
from schemas.wire.verdict import Verdict
from warehouse.store.feature_maps import CODED, TEXT, ends_of, feature_maps

__all__ = ["Identities", "encode_columns", "prediction_columns", "verdict_columns"]

TIME: Final = pa.timestamp("ms", "UTC")

TEXT_TYPES: Final = frozenset({str})


@dataclass(frozen=True, slots=True)
class Identities:
    """Identities of rows of one partition: Kafka's id of the topic; each row's offset and its index in that message."""

    topic_id: str
    partition: int
    offsets: Sequence[int]
    indexes: Sequence[int]


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


def verdict_columns(verdicts: Sequence[Verdict], identities: Identities) -> Any:
    """The rows of ``verdicts`` as a pyarrow.RecordBatch."""
    reasons = [verdict.reasons for verdict in verdicts]
    columns = {
        "event_id": _texts([verdict.event_id for verdict in verdicts]),
        "model": _coded([verdict.model for verdict in verdicts]),
        "model_version": _coded([verdict.model_version for verdict in verdicts]),
        "time": _times([verdict.time for verdict in verdicts]),
        "decision": _coded([verdict.decision for verdict in verdicts]),
        "reasons": pa.ListArray.from_arrays(ends_of(reasons), _coded(list(chain.from_iterable(reasons)))),
        "uncertainty": _floats([verdict.uncertainty for verdict in verdicts]),
        "inclusion_probability": _floats([verdict.inclusion_probability for verdict in verdicts]),
        "error_probability": _floats([verdict.error_probability for verdict in verdicts]),
        "audit": _flags([verdict.audit for verdict in verdicts]),
        "policy_version": _coded([verdict.policy_version for verdict in verdicts]),
        "learned_version": _coded([verdict.learned_version or None for verdict in verdicts]),
        "learned_prediction": _coded([verdict.learned_prediction or None for verdict in verdicts]),
        "task_id": _texts([verdict.task_id for verdict in verdicts]),
        "decided_at": _times([verdict.decided_at for verdict in verdicts]),
        "correction_id": _texts([verdict.correction_id for verdict in verdicts]),
        "settled_label": _coded([verdict.settled_label or None for verdict in verdicts]),
    }
    return _batch(columns, identities)


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
