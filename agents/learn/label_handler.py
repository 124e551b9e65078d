"""Batches of labels: late ground truth, joined with the stored predictions that it is about, becomes corrections."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import structlog

from agents.settings import LABEL_WAIT_SECONDS_DEFAULT
from agents.shared.metrics import LABELS_REJECTED
from schemas.json_text.errors import MalformedError
from schemas.texts.spellings import KnownLabels
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
from warehouse.query.lookups import asked_in_parts, labels_said, predictions_of
from warehouse.store.feature_maps import joined_features

__all__ = ["LabelHandler", "LabelLimits"]

log = structlog.get_logger(__name__)

LOOK_UP_EVERY_SECONDS = 1.0
FIRST_LOOKS_MAX = 20_000
"""Waiting labels whose first look-up is remembered; the time of one beyond begins once there is room for it."""
RECORDS_MAX = 20_000
"""Labels looked up together; the rest of a batch is handed out again."""
HELD_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of predictions held at once; where those of a batch have more, its end is handed out again."""

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""Asks ClickHouse a question with parameters; returns rows."""


class HeldTooMuch(Exception):  # noqa: N818 - no failure: fewer labels are looked up
    """The predictions of these labels have more than ``HELD_BYTES_MAX``."""


class LabelLimits(NamedTuple):
    """Bounds of one label: its message, the wait for its prediction, and how far ahead its time may lie.

    ``future_seconds_max`` counts from when Kafka took the message.
    """

    message: MessageLimits = MessageLimits()
    wait_seconds: float = LABEL_WAIT_SECONDS_DEFAULT
    future_seconds_max: int = FUTURE_SECONDS_MAX_DEFAULT


DEFAULT_LIMITS: Final = LabelLimits()


class LabelHandler:
    """Joins labels with predictions in ClickHouse. One thread calls ``handle``.

    A label whose prediction is not stored yet waits, and all labels behind it in its partition wait with it. Once
    ``limits.wait_seconds`` have passed since its first look-up it becomes a Reject. A label in another spelling than
    the model's becomes a Reject too (``declared`` names the labels of a model's settings). Labels that are only for
    scoring are checked for their spelling and not joined.

    A prediction may be so large that ClickHouse cannot return it even alone. Its label waits in the same way, since
    memory may be short for a while only, and is then rejected.

    ``pause`` waits some seconds without losing the group; it returns False where the batch is no longer ours.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        prefix: str,
        *,
        pause: Callable[[float], bool],
        declared: Callable[[str], Collection[str]] = lambda _model: (),
        limits: LabelLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = prefix
        self._pause = pause
        self._spellings = LabelSpellings(warehouse.query, declared)
        self._limits = limits
        self._clock = clock
        # Not a cache of cachetools: at the limit a new label is not remembered, and the older ones stay.
        self._first_looks: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._records_max = RECORDS_MAX
        self._refused: dict[tuple[str, str], str] = {}
        """ClickHouse's reason by model and event id, for predictions of the batch that are too large even alone."""

    def handle(self, records: Sequence[Record], outbox: Sending) -> Sequence[Record]:
        """One batch, possibly empty; returns the labels that wait, and all labels behind them in their partitions.

        Raises HandBack where all labels wait, or ClickHouse does not answer.
        """
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
        """Handle some labels of a batch, and return those that wait. Raises HeldTooMuch before anything is sent."""
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
            self._first_looks.pop((record.partition(), record.offset()), None)  # it waits no longer
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
                labels.append((record, label_of(record, self._limits.message, self._limits.future_seconds_max * 1000)))
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
        """Send the corrections of the labels whose predictions are stored."""
        for _, label in settled:
            prediction = stored.get((label.model, label.event_id))
            if prediction is not None:
                outbox.send(CORRECTIONS, label.model, correction_of(label, prediction, now_ms))

    def _why_missing(self, label: Label) -> str:
        named = f"prediction {label.event_id!r} of model {label.model!r}"
        why = self._refused.get((label.model, label.event_id))
        if why is None:
            return unknown_prediction(label, self._limits.wait_seconds)
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
        """The offset of the first label of each partition that still waits; ``missing`` were looked up at ``now``."""
        first: dict[int, int] = {}
        for record, _ in missing:
            if now - self._first_look(record, now) < self._limits.wait_seconds:
                first.setdefault(record.partition(), record.offset())
        return first

    def _first_look(self, record: Record, now: float) -> float:
        """When the prediction of a label was looked up first, in seconds of the clock."""
        looks, key = self._first_looks, (record.partition(), record.offset())
        if key not in looks:
            while looks and now - next(iter(looks.values())) > 2 * self._limits.wait_seconds:
                looks.popitem(last=False)  # its partition is another worker's by now, or its prediction came
            if len(looks) < FIRST_LOOKS_MAX:
                looks[key] = now
        return looks.get(key, now)

    def _looked_up(
        self, labels: Sequence[tuple[Record, Label]]
    ) -> tuple[dict[tuple[str, str], dict[str, Any]], list[tuple[Record, str]]]:
        """Stored predictions by model and event id; labels with a wrong spelling, each with the reason.

        The spelling of a label to learn from is checked once its prediction is stored: that one may be the first with
        this spelling. Raises HandBack while ClickHouse does not answer.
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
    """Why a label without a stored prediction cannot be used, and what to do."""
    return (
        f"got {label.event_id!r}; expected the event_id of a prediction of model {label.model!r}, of which none of this"
        f" id was stored within {wait_seconds:g} s: check `event_id` and `model`, and send the label again once the"
        " prediction has been sent and was not rejected - at `$.event_id`"
    )


def correction_of(label: Label, row: Mapping[str, Any], now_ms: int) -> Correction:
    """The correction that a late label and the row of its prediction make."""
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


class LabelSpellings:
    """Finds labels that name an answer of their model in another spelling: ``True`` for ``true``.

    A model's answers are those that its settings name (``declared``), and those of its newest stored predictions, which
    ``ask`` reads from ClickHouse. Nothing is kept, so that a restart changes nothing. ClickHouse is asked at most once
    a model and call, and not at all where each label is declared or is an answer or a probability of its own
    prediction.
    """

    def __init__(self, ask: Ask, declared: Callable[[str], Collection[str]]) -> None:
        self._ask = ask
        self._declared = declared

    def problems_of(
        self, labels: Sequence[Label], predictions: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> list[str | None]:
        """What is wrong with each label, None where nothing is.

        ``predictions`` are those that are stored, by model and event id. Raises WarehouseError.
        """
        known: dict[str, KnownLabels] = {}
        problems: list[str | None] = []
        for label in labels:
            text, row = label_text(label.label), predictions.get((label.model, label.event_id))
            declared = self._declared(label.model)
            if text in declared or (row is not None and text in (row["prediction"], *row["probabilities"])):
                problems.append(None)
                continue
            # Declared labels come first: a spelling that a model once used must not make two labels of one.
            meant = KnownLabels(declared).meant_by(text) if declared else None
            if meant is None:
                if label.model not in known:
                    known[label.model] = KnownLabels({*declared, *labels_said(self._ask, label.model)})
                meant = known[label.model].meant_by(text)
            problems.append(None if meant is None else _spelling_problem(label.model, text, meant))
        return problems


def _spelling_problem(model: str, text: str, meant: str) -> str:
    return (
        f"got {text!r}; expected {meant!r}, as model {model!r} writes it, or, where these are two labels, both of them"
        " among the `labels` of [models.NAME] - at `$.label`"
    )
