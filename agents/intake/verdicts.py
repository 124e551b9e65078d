"""Verdicts of one batch: what triage decided, as the messages that producers and the warehouse get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from review.triage.decided import Settled
from review.triage.decisions import Decisions, Flags
from review.triage.new_tasks import LearnedAnswers
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.verdict_rows import VERDICT_ROWS, encoded_verdicts
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED, Topic
from streams.produce.outbox import Sending

__all__ = ["Verdicts", "flags"]

VERDICTS_PER_MESSAGE_MAX = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a batch, column by column; ``decisions`` are theirs in words, ``settled`` those by place."""

    events: PredictionColumns
    triage: Decisions
    decisions: Sequence[str]
    learned: LearnedAnswers
    settled: Mapping[int, Settled]
    task_ids: Sequence[str]

    def send(self, policy_version: str, now_ms: int, outbox: Sending, *, exceptions_only: bool) -> None:
        """Send them as arrays, in order; where only exceptions are wanted, the rest goes to ``VERDICTS_ACCEPTED``."""
        key = self.events.model.encode()
        for topic, rows in self._shares(self._rows(policy_version, now_ms), exceptions_only=exceptions_only):
            for data in encoded_verdicts(rows, VERDICTS_PER_MESSAGE_MAX):
                outbox.send(topic, key, data)

    def _shares(self, rows: Iterator[Any], *, exceptions_only: bool) -> list[tuple[Topic, Iterator[Any]]]:
        """What goes to which topic."""
        if not exceptions_only:
            return [(VERDICTS, rows)]
        made, told = list(rows), self.triage.seen | flags(self.settled, len(self.events))
        return [(VERDICTS, compress(made, told.tolist())), (VERDICTS_ACCEPTED, compress(made, (~told).tolist()))]

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
        if triage.error_probability is not None:
            columns["error_probability"] = triage.error_probability.tolist()
        if self.learned.answers is not None:
            columns["learned_prediction"] = self.learned.answers
        if self.settled:
            columns["correction_id"] = self._settled("correction_id")
            columns["settled_label"] = self._settled("label")
        return VERDICT_ROWS.make(len(events), constant=constant, columns=columns)

    def _settled(self, name: str) -> list[str]:
        column = [""] * len(self.events)
        for place, settled in self.settled.items():
            column[place] = getattr(settled, name)
        return column


def flags(places: Mapping[int, object], size: int) -> Flags:
    """True at these places, of shape (size,)."""
    is_set = np.zeros(size, np.bool_)
    is_set[list(places)] = True
    return is_set
