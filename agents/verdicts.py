"""Verdicts of one batch: what triage decided, as the messages that producers and the warehouse get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from review.decided import Settled
from review.decisions import Decisions, Flags
from schemas.prediction_columns import PredictionColumns
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED
from schemas.verdict_rows import VERDICT_ROWS, encoded_verdicts
from streams.outbox import Sending

if TYPE_CHECKING:
    from learning.serving import Scores, ServingModel

__all__ = ["Learned", "Verdicts", "flags"]

VERDICTS_PER_MESSAGE_MAX = 200


class Learned(NamedTuple):
    """What learning says of each event: the answer of the model in charge, and the chance that production is wrong."""

    version: str
    answers: Sequence[str] | None
    error_probability: Sequence[float] | None

    @classmethod
    def of(cls, serving: ServingModel | None, scores: Scores | None) -> Learned:
        """Answers only of a model in charge; a candidate's scores are triage's alone."""
        errors = None if scores is None else scores.error_probability.tolist()
        if serving is None or scores is None:
            return cls("", None, errors)
        return cls(serving.version, scores.answers, errors)

    def answer(self, place: int) -> str:
        """The learned answer to one event, empty where no learned model is in charge."""
        return "" if self.answers is None else self.answers[place]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a batch, column by column; ``decisions`` are theirs in words, ``settled`` those by place."""

    events: PredictionColumns
    triage: Decisions
    decisions: Sequence[str]
    learned: Learned
    settled: Mapping[int, Settled]
    task_ids: Sequence[str]

    def send(self, policy_version: str, now_ms: int, outbox: Sending, *, exceptions_only: bool) -> None:
        """Send them as arrays, in order; where only exceptions are wanted, the rest goes to ``VERDICTS_ACCEPTED``."""
        rows = self._rows(policy_version, now_ms)
        key = self.events.model.encode()
        if not exceptions_only:
            for data in encoded_verdicts(rows, VERDICTS_PER_MESSAGE_MAX):
                outbox.send(VERDICTS, key, data)
            return
        told = self.triage.seen | flags(self.settled, len(self.events))
        made = list(rows)
        for topic, places in ((VERDICTS, np.flatnonzero(told)), (VERDICTS_ACCEPTED, np.flatnonzero(~told))):
            for data in encoded_verdicts((made[place] for place in places.tolist()), VERDICTS_PER_MESSAGE_MAX):
                outbox.send(topic, key, data)

    def _rows(self, policy_version: str, now_ms: int) -> Iterator[Any]:
        events, triage = self.events, self.triage
        constant: dict[str, object] = {
            "model": events.model,
            "policy_version": policy_version,
            "learned_version": self.learned.version,
            "decided_at": now_ms,
        }
        columns: dict[str, Sequence[object]] = {
            "event_id": events.event_ids,
            "model_version": events.model_versions,
            "time": events.times_ms.tolist(),
            "decision": self.decisions,
            "reasons": triage.reasons,
            "uncertainty": triage.uncertainty.tolist(),
            "inclusion_probability": triage.inclusion_probability.tolist(),
            "audit": triage.audit.tolist(),
            "task_id": self.task_ids,
        }
        if self.learned.error_probability is not None:
            columns["error_probability"] = self.learned.error_probability
        if self.learned.answers is not None:
            columns["learned_prediction"] = self.learned.answers
        if self.settled:
            columns["correction_id"] = self._settled("correction_id")
            columns["settled_label"] = self._settled("label")
        return VERDICT_ROWS.make(len(events), constant=constant, columns=columns)

    def _settled(self, name: str) -> list[str]:
        found = [""] * len(self.events)
        for place, settled in self.settled.items():
            found[place] = getattr(settled, name)
        return found


def flags(places: Mapping[int, object], size: int) -> Flags:
    """True at these places, of shape (size,)."""
    found = np.zeros(size, np.bool_)
    found[list(places)] = True
    return found
