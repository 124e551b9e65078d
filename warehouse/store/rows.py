"""Rows of tables from the Structs that travel: one pure function for each type.

Predictions and verdicts are too many for one object for each row: ``arrow_columns`` has them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from schemas.wire.alert import Alert
from schemas.wire.audit_entry import AuditEntry
from schemas.wire.base import Scalar, Wire
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.label import Label
from schemas.wire.manifest import Manifest
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.prediction import epoch_ms, label_text
from schemas.wire.reference import Reference
from schemas.wire.reject import Reject
from schemas.wire.setting import Setting
from schemas.wire.task import Task
from warehouse.errors import UnsupportedTopic
from warehouse.store.feature_maps import split_features
from warehouse.store.tables import TABLE_OF_TOPIC

__all__ = ["Identity", "Row", "drift_state_row", "encode_rows", "report_row", "row_of", "rows_of"]

Row = dict[str, Any]
"""One row of a table: column to value, ready for JSONEachRow."""

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a row came from: Kafka's id of the topic, partition, offset, and index within an array message."""

    topic_id: str
    partition: int
    offset: int
    index: int = 0


def seconds(time_ms: int) -> float:
    """Epoch milliseconds as ClickHouse reads a time from JSON: seconds with a fraction.

    Never an integer: ClickHouse reads integers as seconds or as milliseconds, by their number of digits.

    >>> seconds(1500), seconds(2000)
    (1.5, 2.0)
    """
    return time_ms / 1000


def rows_of(topic: str, values: Wire | Iterable[Wire], identity: Identity) -> list[Row]:
    """The rows of one message: of its value, or of each element of an array message.

    ``topic`` is the name without prefix; the elements' ``_index`` counts up from ``identity.index``. Raises
    UnsupportedTopic.
    """
    several = [values] if isinstance(values, Wire) else values
    return [
        row_of(topic, value, Identity(identity.topic_id, identity.partition, identity.offset, index))
        for index, value in enumerate(several, start=identity.index)
    ]


def row_of(topic: str, value: Wire, identity: Identity) -> Row:
    """The row of one value; raises UnsupportedTopic."""
    columns = COLUMNS_OF.get(type(value))
    if columns is None or topic not in TABLE_OF_TOPIC:
        raise UnsupportedTopic(f"a {type(value).__name__} from topic {topic!r} does not become a row of a table")
    row = columns(value)
    row["_topic_id"] = identity.topic_id
    row["_partition"] = identity.partition
    row["_offset"] = identity.offset
    row["_index"] = identity.index
    return row


def encode_rows(rows: Iterable[Row]) -> bytes:
    """The rows as JSONEachRow, one JSON object a line."""
    return _encoder.encode_lines(list(rows))


def report_row(*, report_id: str, alert_id: str, model: str, created_at: int, json: str, html: str) -> Row:
    """The row of an Evidently report, which does not travel through Kafka; ``created_at`` in epoch milliseconds."""
    return {
        "report_id": report_id,
        "alert_id": alert_id,
        "model": model,
        "created_at": seconds(created_at),
        "json": json,
        "html": html,
    }


def drift_state_row(*, told_at: int, **figures: str | int | list[str]) -> Row:
    """The row of how DRIFT stands with a model, which does not travel through Kafka; ``told_at`` in milliseconds."""
    return {"told_at": seconds(told_at), **figures}


def _json(value: object) -> str:
    return _encoder.encode(value).decode()


def _plain(value: Wire, times: tuple[str, ...], without: tuple[str, ...] = ()) -> Row:
    """The fields as they are, times in seconds; None, NULL in ClickHouse, for a time that is 0 by default."""
    row = {name: getattr(value, name) for name in value.__struct_fields__ if name not in without}
    defaults = dict(zip(reversed(value.__struct_fields__), reversed(value.__struct_defaults__), strict=False))
    for name in times:
        row[name] = None if row[name] == defaults.get(name) == 0 else seconds(row[name])
    return row


def _label(value: Label) -> Row:
    row = _plain(value, ())
    row["time"] = seconds(epoch_ms(value.time))
    row["label"] = label_text(value.label)
    return row


def _reject(value: Reject) -> Row:
    row = _plain(value, ("time",), without=("original", "source_key"))
    row["original_base64"] = base64.b64encode(value.original).decode()
    row["source_key_base64"] = base64.b64encode(value.source_key).decode()
    row["source_index_last"] = value.source_index if value.source_index_last is None else value.source_index_last
    row["original_length"] = len(value.original) if value.original_length is None else value.original_length
    return row


def _block(value: Block) -> Row:
    row = _plain(value, ("time_min", "time_max"), without=("partition", "numeric", "categorical", "sample"))
    row["source_partition"] = value.partition
    row["signal_means"] = {name: summary.mean for name, summary in value.numeric.items()}
    missing = {name: summary.missing for name, summary in value.numeric.items()}
    row["signal_missing"] = missing | {name: counts.missing for name, counts in value.categorical.items()}
    row["numeric_json"] = _json(value.numeric)
    row["categorical_json"] = _json(value.categorical)
    row["sample_json"] = _json(value.sample)
    return row


def _reference(value: Reference) -> Row:
    times = ("created_at", "time_min", "time_max", "told_at")
    row = _plain(value, times, without=("numeric", "categorical", "sample", "last_offsets"))
    row["signal_means"] = {name: summary.mean for name, summary in value.numeric.items()}
    row["signal_sds"] = {name: summary.sd for name, summary in value.numeric.items()}
    row["numeric_json"] = _json(value.numeric)
    row["categorical_json"] = _json(value.categorical)
    row["sample_json"] = _json(value.sample)
    return row


def _task(value: Task) -> Row:
    row = _plain(value, ("created_at", "due_at", "changed_at"), without=("evidence",)) | _challenger(value)
    seen = value.evidence
    if seen is None:  # a task about an alert, which nobody drew
        return row | {"inclusion_probability": None, "uncertainty": None}
    return row | {
        "event_id": seen.event_id,
        "event_time": seconds(seen.time),
        "model_version": seen.model_version,
        **_features(seen.features),
        "prediction": seen.prediction,
        "confidence": seen.confidence,
        "probabilities": seen.probabilities or {},
        "slices": seen.slices,
        "content": seen.content or "",
        "learn": seen.learn,
        **_learned(seen.learned_prediction, seen.learned_version),
    }


def _correction(value: Correction) -> Row:
    row = _plain(value, ("time", "created_at"))
    learned = _learned(value.learned_prediction, value.learned_version)
    features = _features(value.features)
    return row | {**features, "probabilities": value.probabilities or {}, **learned, **_challenger(value)}


def _manifest(value: Manifest) -> Row:
    row = _plain(value, ("created_at",), without=("signature",))
    row["signature_hex"] = value.signature.hex()
    return row


def _setting(value: Setting) -> Row:
    row = _plain(value, ("changed_at",), without=("values",))
    maps = split_features(value.values)
    return row | {"numbers": maps.numbers, "integers": maps.integers, "texts": maps.texts}


def _features(features: Mapping[str, Scalar]) -> Row:
    maps = split_features(features)
    return {"features": maps.numbers, "features_integer": maps.integers, "features_text": maps.texts}


def _learned(prediction: str, version: str) -> Row:
    """Answer and version of the learned model in charge; None, NULL in ClickHouse, if none was."""
    return {"learned_prediction": prediction or None, "learned_version": version or None}


def _challenger(value: Task | Correction) -> Row:
    """Answer and version of the challenger; None, NULL in ClickHouse, if there was none."""
    version = value.challenger_version or None
    return {"challenger_prediction": version and value.challenger_prediction, "challenger_version": version}


COLUMNS_OF: Final = cast(
    dict[type[Wire], Callable[[Wire], Row]],
    {
        Label: _label,
        Reject: _reject,
        Block: _block,
        Alert: lambda value: _plain(value, ("fired_at", "changed_at", "judged_until", "raised_at", "told_at")),
        Task: _task,
        Opinion: lambda value: _plain(value, ("time",)),
        Correction: _correction,
        Manifest: _manifest,
        GateStep: lambda value: _plain(value, ("time",)),
        Reference: _reference,
        Person: lambda value: _plain(value, ("changed_at",), without=("password_hash",)),
        Setting: _setting,
        AuditEntry: lambda value: _plain(value, ("time",)),
    },
)
"""How a value of each type becomes a row, without its identity."""
