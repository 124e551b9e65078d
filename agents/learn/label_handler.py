"""labels → corrections: late ground truth joined with the prediction it is about."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

from agents.learn.label_spellings import LabelSpellings
from agents.settings import LABEL_WAIT_SECONDS_DEFAULT
from agents.shared.metrics import LABELS_REJECTED
from schemas.codec import MalformedError
from schemas.topics import CORRECTIONS, REJECTS
from schemas.wire.correction import Correction, id_of_label
from schemas.wire.label import Label
from schemas.wire.prediction import label_text
from streams.consume.batches import HandBack
from streams.message_limits import MessageLimits
from streams.predictions.label_reader import label_of
from streams.produce.outbox import Sending
from streams.produce.rejects import Rejecter, reject_of
from streams.records import Record
from streams.settings import FUTURE_SECONDS_MAX_DEFAULT
from warehouse.client import Warehouse
from warehouse.errors import QuestionTooLarge, WarehouseError
from warehouse.query.lookups import asked_in_parts, predictions_of
from warehouse.store.feature_maps import joined_features

__all__ = ["LabelHandler"]

log = structlog.get_logger(__name__)

LOOK_UP_EVERY_SECONDS = 1.0
FIRST_LOOKS_MAX = 20_000
"""Waiting labels whose first look is remembered; the time of one beyond begins when there is room for it."""
RECORDS_MAX = 20_000
"""Labels looked up together; more of a batch are handed out again."""
HELD_BYTES_MAX = 256 * 1024 * 1024
"""Predictions held at once; where those of a batch are more, its end is handed out again, and only then looked up."""


class HeldTooMuch(Exception):  # noqa: N818 - no failure: fewer labels are looked at
    """The predictions of these labels are more than are held at once."""


class LabelHandler:
    """Joins labels with predictions in ClickHouse. ``handle`` is called by one thread.

    A label whose prediction is not stored yet waits, and all behind it in its partition with it, for at most
    ``wait_seconds`` after its first look, whatever waited before it; then it becomes a Reject, as does one that is
    written otherwise than the model writes its labels (``declared`` names those of the settings). Labels that are only
    for scoring are looked at for that alone. How large a prediction is producers decide: one that ClickHouse cannot
    give even alone is waited for likewise, since its memory may be short only for a while; then its label is rejected.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        prefix: str,
        *,
        pause: Callable[[float], bool],
        declared: Callable[[str], Collection[str]] = lambda _model: (),
        limits: MessageLimits | None = None,
        wait_seconds: float = LABEL_WAIT_SECONDS_DEFAULT,
        future_seconds_max: int = FUTURE_SECONDS_MAX_DEFAULT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = prefix
        self._pause = pause
        self._spellings = LabelSpellings(warehouse.query, declared)
        self._limits = limits or MessageLimits()
        self._wait_seconds = wait_seconds
        self._future_ms_max = future_seconds_max * 1000
        self._clock = clock
        # Not a cache of cachetools: at the limit a new label is not remembered, and the older ones stay.
        self._first_looks: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._records_max = RECORDS_MAX
        self._refused: dict[tuple[str, str], str] = {}
        """By model and event id, of the batch in hand: predictions that are too large even alone, with ClickHouse's
        reason."""

    def handle(self, records: Sequence[Record], outbox: Sending) -> Sequence[Record]:
        """One batch, possibly empty; returns the labels that wait, each with all behind it in its partition."""
        while True:
            some = records[: self._records_max]
            try:
                left = self._handle(some, outbox)
            except HeldTooMuch:
                self._records_max = max(1, len(some) // 2)
            else:
                self._records_max = min(RECORDS_MAX, 2 * self._records_max)
                return [*left, *records[len(some) :]]

    def _handle(self, records: Sequence[Record], outbox: Sending) -> Sequence[Record]:
        """Some of a batch; raises HeldTooMuch before anything is sent."""
        now = self._clock()
        labels, rejects = self._read(records)
        asked = [(record, label) for record, label in labels if label.purpose == "learn"]
        stored, misspelt = self._looked_up(labels)
        missing = [(record, label) for record, label in asked if (label.model, label.event_id) not in stored]
        waiting_from = self._waiting_from(missing, now)

        def waits(record: Record) -> bool:
            return record.offset() >= waiting_from.get(record.partition(), record.offset() + 1)

        left = [record for record in records if waits(record)]
        if left and (not self._pause(LOOK_UP_EVERY_SECONDS) or len(left) == len(records)):
            raise HandBack
        for record, label in missing:
            rejects.append((record, MalformedError(self._why_missing(label), "$.event_id")))
        rejects += [(record, MalformedError(problem, "$.label")) for record, problem in misspelt]
        wrong = {(record.partition(), record.offset()) for record, _ in rejects}
        settled = [(record, label) for record, label in asked if not waits(record)]
        for record, _ in settled:
            self._first_looks.pop((record.partition(), record.offset()), None)  # nobody waits for it any more
        right = [(record, label) for record, label in settled if (record.partition(), record.offset()) not in wrong]
        self._join(right, stored, int(now * 1000), outbox)
        self._reject([reject for reject in rejects if not waits(reject[0])], int(now * 1000), outbox)
        return left

    def _read(
        self, records: Sequence[Record]
    ) -> tuple[list[tuple[Record, Label]], list[tuple[Record, MalformedError]]]:
        """The labels, and the messages that hold none, each with what is wrong with it."""
        labels: list[tuple[Record, Label]] = []
        rejects: list[tuple[Record, MalformedError]] = []
        for record in records:
            try:
                labels.append((record, label_of(record, self._limits, self._future_ms_max)))
            except MalformedError as error:
                rejects.append((record, error))
        return labels, rejects

    def _join(
        self,
        settled: Sequence[tuple[Record, Label]],
        stored: Mapping[tuple[str, str], dict[str, Any]],
        now_ms: int,
        outbox: Sending,
    ) -> None:
        """Corrections of those whose predictions are there."""
        for _, label in settled:
            prediction = stored.get((label.model, label.event_id))
            if prediction is not None:
                outbox.send(CORRECTIONS, label.model, correction_of(label, prediction, now_ms))

    def _why_missing(self, label: Label) -> str:
        named = f"prediction {label.event_id!r} of model {label.model!r}"
        why = self._refused.get((label.model, label.event_id))
        if why is None:
            return unknown_prediction(label, self._wait_seconds)
        return (
            f"{named} is too large to be read from ClickHouse; expected one within its memory - at `$.event_id`: {why}"
        )

    def _reject(self, rejects: Sequence[tuple[Record, MalformedError]], now_ms: int, outbox: Sending) -> None:
        by = Rejecter(self._prefix, "labels", now_ms)
        for record, error in rejects:
            reject = reject_of(record, error, by)
            outbox.send(REJECTS, reject.source_key, reject)
            LABELS_REJECTED.inc()

    def _waiting_from(self, missing: Sequence[tuple[Record, Label]], now: float) -> dict[int, int]:
        """The first offset of each partition whose label waits on; every one of ``missing`` has been looked for now."""
        first: dict[int, int] = {}
        for record, _ in missing:
            if now - self._first_look(record, now) < self._wait_seconds:
                first.setdefault(record.partition(), record.offset())
        return first

    def _first_look(self, record: Record, now: float) -> float:
        """When the prediction of a label was looked for first."""
        looks, key = self._first_looks, (record.partition(), record.offset())
        if key not in looks:
            while looks and now - next(iter(looks.values())) > 2 * self._wait_seconds:
                looks.popitem(last=False)  # its partition is another worker's by now, or its prediction came
            if len(looks) < FIRST_LOOKS_MAX:
                looks[key] = now
        return looks.get(key, now)

    def _looked_up(
        self, labels: Sequence[tuple[Record, Label]]
    ) -> tuple[dict[tuple[str, str], dict[str, Any]], list[tuple[Record, str]]]:
        """Stored predictions of labels by model and event id, and the labels that are written wrong, with the reason.

        One to learn from is looked at once its prediction is there, which may be the first that is written so. Raises
        HandBack while ClickHouse does not answer.
        """
        try:
            stored = self._stored([label for _, label in labels])
            ready = [
                (record, label)
                for record, label in labels
                if label.purpose == "score" or (label.model, label.event_id) in stored
            ]
            problems = self._spellings.problems_of([label for _, label in ready], stored)
            return stored, [
                (record, problem) for (record, _), problem in zip(ready, problems, strict=True) if problem is not None
            ]
        except WarehouseError as error:
            log.warning("labels wait for ClickHouse", why=str(error))
            self._pause(LOOK_UP_EVERY_SECONDS)
            raise HandBack from error

    def _stored(self, labels: Sequence[Label]) -> dict[tuple[str, str], dict[str, Any]]:
        """Stored predictions by model and event id. Raises HeldTooMuch."""
        wanted: dict[str, set[str]] = {}
        for label in labels:
            wanted.setdefault(label.model, set()).add(label.event_id)
        stored: dict[tuple[str, str], dict[str, Any]] = {}
        self._refused = {}
        held_bytes = 0
        for model, ids in wanted.items():
            ask = functools.partial(predictions_of, self._warehouse.query, model)
            for part, answer in asked_in_parts(ask, sorted(ids)):
                if isinstance(answer, QuestionTooLarge):
                    self._refused[model, part[0]] = answer.detail
                    continue
                stored.update(((model, str(row["event_id"])), row) for row in answer)
                held_bytes += sum(row["held_bytes"] for row in answer)
                if held_bytes > HELD_BYTES_MAX and len(labels) > 1:
                    raise HeldTooMuch
        return stored


def unknown_prediction(label: Label, wait_seconds: float) -> str:
    """Why a label cannot be used that no stored prediction belongs to, and what to do."""
    return (
        f"got {label.event_id!r}; expected the event_id of a prediction of model {label.model!r}, of which none of this"
        f" id was stored within {wait_seconds:g} s: check `event_id` and `model`, and send the label again once the"
        " prediction has been sent and was not rejected - at `$.event_id`"
    )


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
