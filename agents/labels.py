"""labels → corrections: late ground truth joined with the prediction it is about."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from schemas.codec import MalformedError
from schemas.correction import Correction, id_of_label
from schemas.label import Label
from schemas.prediction import label_text
from schemas.topics import CORRECTIONS, REJECTS
from streams.batches import HandBack
from streams.label_reader import label_of
from streams.outbox import Sending
from streams.predictions.checks import MessageLimits
from streams.records import Record
from streams.rejects import reject_of
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.feature_maps import joined_features
from warehouse.queries import IDS_MAX, predictions_of

__all__ = ["Labels"]

log = structlog.get_logger(__name__)

LOOK_UP_EVERY_SECONDS = 1.0
GIVE_UP_SECONDS = 60.0
"""A label may come before RECORD has stored its prediction; after this long there is none."""
FIRST_SEEN_MAX = 1_000
"""Waiting labels whose first look is remembered; for one that was forgotten the time begins anew."""


class Labels:
    """Joins labels with predictions in ClickHouse. ``handle`` is called by one thread.

    A batch whose predictions are not all stored yet is handed back and tried again until ``GIVE_UP_SECONDS`` after it
    was first seen; then what is missing becomes a Reject. Labels that are only for scoring pass by.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        prefix: str,
        *,
        pause: Callable[[float], bool],
        limits: MessageLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = prefix
        self._pause = pause
        self._limits = limits or MessageLimits()
        self._clock = clock
        self._first_seen: OrderedDict[tuple[int, int], float] = OrderedDict()

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, possibly empty."""
        now = self._clock()
        asked: list[tuple[Record, Label]] = []
        rejects: list[tuple[Record, str, str]] = []
        for record in records:
            try:
                label = label_of(record, self._limits)
            except MalformedError as error:
                rejects.append((record, error.reason, error.field))
                continue
            if label.purpose == "learn":
                asked.append((record, label))
        if asked:
            self._join(asked, rejects, now, outbox)
        for record, reason, field in rejects:
            reject = reject_of(record, self._prefix, role="labels", reason=reason, field=field, now_ms=int(now * 1000))
            outbox.send(REJECTS, reject.source_key, reject)

    def _join(
        self,
        asked: list[tuple[Record, Label]],
        rejects: list[tuple[Record, str, str]],
        now: float,
        outbox: Sending,
    ) -> None:
        try:
            found = self._found([label for _, label in asked])
        except WarehouseError as error:
            log.warning("labels wait for ClickHouse", why=str(error))
            self._pause(LOOK_UP_EVERY_SECONDS)
            raise HandBack from error
        missing = [(record, label) for record, label in asked if (label.model, label.event_id) not in found]
        if missing and self._waited(missing[0][0], now) < GIVE_UP_SECONDS:
            self._pause(LOOK_UP_EVERY_SECONDS)
            raise HandBack
        for record, label in missing:
            text = f"no prediction {label.event_id!r} of model {label.model!r} is known - at `$.event_id`"
            rejects.append((record, text, "$.event_id"))
        for _, label in asked:
            prediction = found.get((label.model, label.event_id))
            if prediction is not None:
                outbox.send(CORRECTIONS, label.model, correction_of(label, prediction, int(now * 1000)))

    def _found(self, labels: Sequence[Label]) -> dict[tuple[str, str], dict[str, Any]]:
        """Stored predictions by model and event id."""
        wanted: dict[str, set[str]] = {}
        for label in labels:
            wanted.setdefault(label.model, set()).add(label.event_id)
        found = {}
        for model, ids in wanted.items():
            ordered = sorted(ids)
            for part in (ordered[start : start + IDS_MAX] for start in range(0, len(ordered), IDS_MAX)):
                for row in predictions_of(self._warehouse.query, model, part):
                    found[model, str(row["event_id"])] = row
        return found

    def _waited(self, record: Record, now: float) -> float:
        key = (record.partition(), record.offset())
        first = self._first_seen.setdefault(key, now)
        if len(self._first_seen) > FIRST_SEEN_MAX:
            self._first_seen.popitem(last=False)
        return now - first


def correction_of(label: Label, row: Mapping[str, Any], now_ms: int) -> Correction:
    """The correction that a late label makes of a stored prediction."""
    return Correction(
        correction_id=id_of_label(label.model, label.event_id),
        model=label.model,
        model_version=row["model_version"],
        event_id=label.event_id,
        time=row["time"],
        created_at=now_ms,
        label=label_text(label.label),
        source="label",
        features=joined_features(row["features"], row["features_integer"], row["features_text"]),
        prediction=row["prediction"],
        confidence=row["confidence"],
        probabilities=row["probabilities"] or None,
        slices=row["slices"],
        inclusion_probability=1.0,
        learn=row["consent_learn"],
        learned_prediction=row["learned_prediction"] or "",
        learned_version=row["learned_version"] or "",
    )
