"""Verdicts of one batch: what triage decided, as the messages that producers and the warehouse get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from agents.intake.accepted_verdicts import AcceptedVerdicts
from review.triage.decided_before import EarlierAnswer
from review.triage.decisions import DECISIONS, Decisions, Flags
from review.triage.new_tasks import LearnedAnswers
from schemas.columns.coded import Coded
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.wire_rows import VERDICT_ROWS, encoded_verdicts
from schemas.topics import VERDICTS
from streams.produce.outbox import Sending

__all__ = ["VERDICTS_PER_ARRAY_MAX", "VERDICTS_PER_STREAM", "Verdicts", "flags"]

VERDICTS_PER_ARRAY_MAX: Final = 200
"""Verdicts of one JSON message."""

VERDICTS_PER_STREAM: Final = 2_000
"""Verdicts of one Arrow message for producers, at most: twice as many would save two bytes a verdict."""

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a batch of one model, column by column.

    ``earlier_answers`` maps the index of an event to the settled answer that answers it again; ``task_ids`` is empty
    for events without a task. ``from_arrow`` marks the events that came as Arrow, None where none did.
    """

    events: PredictionColumns
    decisions: Decisions
    learned: LearnedAnswers
    earlier_answers: Mapping[int, EarlierAnswer]
    task_ids: Sequence[str]
    from_arrow: Flags | None = None

    def send(
        self,
        policy_version: str,
        now_ms: int,
        outbox: Sending,
        *,
        bytes_max: int,
        accepted: AcceptedVerdicts | None = None,
    ) -> None:
        """Send the verdicts to VERDICTS, in order: as Arrow those of events that came so, as arrays of JSON the others.

        An Arrow message has at most ``bytes_max`` bytes. Plain acceptances go to ``accepted`` instead, if it is given.
        """
        constant = {
            "model": self.events.model,
            "policy_version": policy_version,
            "learned_version": self.learned.version,
            "decided_at": now_ms,
        }
        columns = self._columns()
        told = None
        if accepted is not None:
            exceptions = self.decisions.seen | flags(self.earlier_answers, len(self.events))
            told, rest = np.flatnonzero(exceptions), np.flatnonzero(~exceptions)
            accepted.add(len(rest), constant, _taken(columns, rest), outbox)
        key = self.events.model.encode()
        for run, is_arrow in _runs(len(self.events), told, self.from_arrow):
            count = len(self.events) if run is None else len(run)
            some = columns if run is None else _taken(columns, run)
            messages = _streams(count, constant, some, bytes_max) if is_arrow else _arrays(count, constant, some)
            for data in messages:
                outbox.send(VERDICTS, key, data)

    def _columns(self) -> dict[str, Any]:
        """The fields in which events differ: arrays, codes, or lists."""
        events, decisions = self.events, self.decisions
        columns: dict[str, Any] = {
            "event_id": events.event_ids,
            "model_version": events.model_versions,
            "time": events.times_ms,
            "decision": Coded(decisions.codes, DECISIONS),
            "reasons": decisions.reasons,
            "uncertainty": decisions.uncertainty,
            "inclusion_probability": decisions.inclusion_probability,
            "audit": decisions.audit,
            "task_id": self.task_ids,
        }
        if decisions.error_probability is not None:
            columns["error_probability"] = decisions.error_probability
        if self.learned.answers is not None:
            columns["learned_prediction"] = self.learned.answers
        if self.earlier_answers:
            columns["correction_id"] = self._of_earlier_answers("correction_id")
            columns["settled_label"] = self._of_earlier_answers("label")
        return columns

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


def _runs(size: int, chosen: Ints | None, from_arrow: Flags | None) -> Iterator[tuple[Ints | None, bool]]:
    """Stretches of ``chosen`` events (None: all) of one encoding, in order, and whether that is Arrow.

    There are no more of them than messages that the events came in. None stands for all events.
    """
    if from_arrow is None or from_arrow.all():
        if chosen is None or len(chosen):
            yield chosen, from_arrow is not None
        return
    indexes = np.arange(size) if chosen is None else chosen
    edges = np.flatnonzero(np.diff(from_arrow[indexes])) + 1
    for run in np.split(indexes, edges):
        if len(run):
            yield run, bool(from_arrow[run[0]])


def _taken(columns: Mapping[str, Any], indexes: Ints) -> dict[str, Any]:
    """Some rows of all columns."""
    chosen = indexes.tolist()

    def taken(column: Any) -> Any:
        if isinstance(column, Coded):
            return Coded(column.codes[indexes], column.values)
        return column[indexes] if isinstance(column, np.ndarray) else [column[index] for index in chosen]

    return {name: taken(column) for name, column in columns.items()}


def _streams(count: int, constant: Mapping[str, Any], columns: Mapping[str, Any], bytes_max: int) -> Iterator[bytes]:
    from schemas.columns.verdict_columns import verdict_batch, verdict_streams  # slow to import, and not always needed

    batch = verdict_batch(count, constant=constant, columns=columns)
    yield from verdict_streams(batch, rows_max=VERDICTS_PER_STREAM, bytes_max=bytes_max)


def _arrays(count: int, constant: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[bytes]:
    values = {name: _listed(column) for name, column in columns.items()}
    yield from encoded_verdicts(VERDICT_ROWS.make(count, constant=constant, columns=values), VERDICTS_PER_ARRAY_MAX)


def _listed(column: Any) -> Sequence[Any]:
    if isinstance(column, Coded):
        return column.listed()
    listed: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return listed
