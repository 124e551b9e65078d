"""Verdicts of one batch: what triage decided, as the messages that producers and the warehouse get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from review.triage.decided_before import EarlierAnswer
from review.triage.decisions import Decisions, Flags
from review.triage.new_tasks import LearnedAnswers
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.wire_rows import VERDICT_ROWS, encoded_verdicts
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED, Topic
from streams.produce.outbox import Sending

__all__ = ["Verdicts", "flags"]

VERDICTS_PER_MESSAGE_MAX = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a batch, column by column.

    ``decision_names`` holds a word of DECISIONS for each event; ``earlier_answers`` maps the index of an event to the
    settled answer that answers it again; ``task_ids`` is empty for events without a task.
    """

    events: PredictionColumns
    decisions: Decisions
    decision_names: Sequence[str]
    learned: LearnedAnswers
    earlier_answers: Mapping[int, EarlierAnswer]
    task_ids: Sequence[str]

    def send(self, policy_version: str, now_ms: int, outbox: Sending, *, exceptions_only: bool) -> None:
        """Send the verdicts as arrays, in order; with ``exceptions_only`` plain acceptances go to VERDICTS_ACCEPTED."""
        key = self.events.model.encode()
        for topic, rows in self._shares(self._rows(policy_version, now_ms), exceptions_only=exceptions_only):
            for data in encoded_verdicts(rows, VERDICTS_PER_MESSAGE_MAX):
                outbox.send(topic, key, data)

    def _shares(self, rows: Iterator[Any], *, exceptions_only: bool) -> list[tuple[Topic, Iterator[Any]]]:
        """The rows that each topic gets."""
        if not exceptions_only:
            return [(VERDICTS, rows)]
        made = list(rows)
        exceptions = self.decisions.seen | flags(self.earlier_answers, len(self.events))
        return [
            (VERDICTS, compress(made, exceptions.tolist())),
            (VERDICTS_ACCEPTED, compress(made, (~exceptions).tolist())),
        ]

    def _rows(self, policy_version: str, now_ms: int) -> Iterator[Any]:
        events, decisions = self.events, self.decisions
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
            "decision": self.decision_names,
            "reasons": decisions.reasons,
            "uncertainty": decisions.uncertainty.tolist(),
            "inclusion_probability": decisions.inclusion_probability.tolist(),
            "audit": decisions.audit.tolist(),
            "task_id": self.task_ids,
        }
        if decisions.error_probability is not None:
            columns["error_probability"] = decisions.error_probability.tolist()
        if self.learned.answers is not None:
            columns["learned_prediction"] = self.learned.answers
        if self.earlier_answers:
            columns["correction_id"] = self._of_earlier_answers("correction_id")
            columns["settled_label"] = self._of_earlier_answers("label")
        return VERDICT_ROWS.make(len(events), constant=constant, columns=columns)

    def _of_earlier_answers(self, name: str) -> list[str]:
        """One field of the earlier answers as a column, empty where there is none."""
        column = [""] * len(self.events)
        for index, answer in self.earlier_answers.items():
            column[index] = getattr(answer, name)
        return column


def flags(indexes: Mapping[int, object], size: int) -> Flags:
    """True at these indexes, of shape (size,).

    >>> flags({0: "a", 2: "b"}, 3).tolist()
    [True, False, True]
    """
    is_set = np.zeros(size, np.bool_)
    is_set[list(indexes)] = True
    return is_set
