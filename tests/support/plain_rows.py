"""Every kind of value as plain rows: what a table must hold, said as simply as it can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from schemas.wire.base import Wire
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.wire.verdict import Verdict
from warehouse.store.feature_maps import split_features
from warehouse.store.rows import Identity, Row, seconds
from warehouse.store.rows import rows_of as slow_rows_of


def rows_of(topic: str, values: Wire | Iterable[Wire], identity: Identity) -> list[Row]:
    """``warehouse.store.rows.rows_of``, of predictions and verdicts too."""
    if topic not in ("predictions", "verdicts", "verdicts.accepted"):
        return slow_rows_of(topic, values, identity)
    several = [values] if isinstance(values, Wire) else values
    source = {"_topic_id": identity.topic_id, "_partition": identity.partition, "_offset": identity.offset}
    return [
        (prediction_row(value) if isinstance(value, Prediction) else verdict_row(cast(Verdict, value)))
        | source
        | {"_index": index}
        for index, value in enumerate(several, start=identity.index)
    ]


def prediction_row(value: Prediction) -> Row:
    features = split_features(value.features)
    return {
        "event_id": value.event_id,
        "model": value.model,
        "model_version": value.model_version,
        "time": seconds(epoch_ms(value.time)),
        "features": features.numbers,
        "features_integer": features.integers,
        "features_text": features.texts,
        "prediction": label_text(value.prediction),
        "confidence": confidence_of(value),
        "probabilities": value.probabilities or {},
        "slices": value.slices,
        "risk": value.risk,
        "subject": value.subject or "",
        "consent_review": value.consent.review,
        "consent_learn": value.consent.learn,
        "content": value.content or "",
        "producer": value.producer,
    }


def verdict_row(value: Verdict) -> Row:
    row = {name: getattr(value, name) for name in value.__struct_fields__}
    absent = {name: row[name] or None for name in ("learned_version", "learned_prediction", "settled_label")}
    return row | absent | {"time": seconds(value.time), "decided_at": seconds(value.decided_at)}
