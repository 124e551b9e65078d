"""Verdicts of one batch: what triage decided, as the messages that producers and the warehouse get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from review.triage.decided_before import EarlierAnswer
from review.triage.decisions import DECISIONS, Decisions, Flags, Floats
from review.triage.learned_answers import LearnedAnswers
from review.triage.new_tasks import NewTasks
from schemas.columns.coded import Coded
from schemas.columns.event_batch import EventBatch
from schemas.columns.event_ids import EventIds
from schemas.columns.texts import Texts
from schemas.columns.verdict_columns import of_one_model, verdict_batch, verdict_streams
from schemas.columns.wire_rows import VERDICT_ROWS, encoded_verdicts
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED
from streams.produce.outbox import Sending

__all__ = ["VERDICTS_PER_ARRAY_MAX", "VERDICTS_PER_STREAM", "Verdicts"]

VERDICTS_PER_ARRAY_MAX: Final = 200
"""Verdicts of one JSON message."""

VERDICTS_PER_STREAM: Final = 2_000
"""Verdicts of one Arrow message for producers, at most: twice as many would save two bytes a verdict."""

ACCEPTED_PER_STREAM: Final = 10_000
"""Verdicts of one message for the warehouse, as many as a stream may have: nobody waits for a part of it."""

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts of a batch, column by column.

    ``earlier_answers`` maps the index of an event to the settled answer that answers it again; ``error_probability`` is
    NaN where no learned model was asked; ``policy_versions`` has one for each model. ``from_arrow`` marks the events
    that came in Arrow messages. ``decided_at`` is in epoch milliseconds.
    """

    events: EventBatch
    decisions: Decisions
    error_probability: Floats | None
    learned: LearnedAnswers
    earlier_answers: Mapping[int, EarlierAnswer]
    tasks: NewTasks
    policy_versions: Sequence[str]
    from_arrow: Flags
    decided_at: int

    def send(self, outbox: Sending, *, exceptions_only: Sequence[bool], bytes_max: int) -> None:
        """Send the verdicts, those of a model in order; an Arrow message has at most ``bytes_max`` bytes.

        Of models that have ``exceptions_only`` set, plain acceptances go to VERDICTS_ACCEPTED as Arrow, whatever their
        models. The others go to VERDICTS, a model in a message: as Arrow those of events that came so, the others as
        arrays of JSON.
        """
        columns = self._columns()
        if not any(exceptions_only):
            self._send_told(columns, np.arange(len(self.events)), outbox, bytes_max)
            return
        is_archived = np.array(exceptions_only, np.bool_).repeat(np.diff(self.events.bounds)) & ~self._exceptions()
        self._send_told(columns, np.flatnonzero(~is_archived), outbox, bytes_max)
        archived = np.flatnonzero(is_archived)
        if len(archived):
            batch = self._as_arrow(columns, archived)
            key = self.events.models[self.events.model_numbers[archived[0]]]
            for data in verdict_streams(batch, rows_max=ACCEPTED_PER_STREAM, bytes_max=bytes_max):
                outbox.send(VERDICTS_ACCEPTED, key.encode(), data)

    def _send_told(self, columns: Mapping[str, Any], told: Ints, outbox: Sending, bytes_max: int) -> None:
        """Send to VERDICTS the verdicts on the events at ascending indexes."""
        as_arrow = self.from_arrow[told]
        if not as_arrow.any():
            self._send_arrays(self._as_rows(columns, told), told.searchsorted(self.events.bounds).tolist(), outbox)
            return
        batch, rows = self._as_arrow(columns, told[as_arrow]), self._as_rows(columns, told[~as_arrow])
        arrow_before = np.concatenate(([0], as_arrow.cumsum())).tolist()
        for model, (begin, end) in zip(
            self.events.models, pairwise(told.searchsorted(self.events.bounds).tolist()), strict=True
        ):
            for start, stop in _runs(as_arrow, begin, end):
                first, after = arrow_before[start], arrow_before[stop]
                if first < after:
                    part = of_one_model(batch.slice(first, after - first), model)
                    messages = verdict_streams(part, rows_max=VERDICTS_PER_STREAM, bytes_max=bytes_max)
                else:
                    messages = encoded_verdicts(iter(rows[start - first : stop - first]), VERDICTS_PER_ARRAY_MAX)
                for data in messages:
                    outbox.send(VERDICTS, model.encode(), data)

    def _send_arrays(self, rows: Sequence[Any], bounds: Sequence[int], outbox: Sending) -> None:
        """Send rows to VERDICTS, those of each model from one of ``bounds`` to before the next."""
        for model, (begin, end) in zip(self.events.models, pairwise(bounds), strict=True):
            for data in encoded_verdicts(iter(rows[begin:end]), VERDICTS_PER_ARRAY_MAX):
                outbox.send(VERDICTS, model.encode(), data)

    def _exceptions(self) -> Flags:
        """The events about which there is more to say than that they are accepted."""
        exceptions = self.decisions.seen
        exceptions[list(self.earlier_answers)] = True
        return exceptions

    def _columns(self) -> dict[str, Any]:
        """The fields of the verdicts: ids, arrays, codes, or lists."""
        events, decisions, learned = self.events, self.decisions, self.learned
        policies = Texts.of(self.policy_versions)
        columns: dict[str, Any] = {
            "event_id": events.event_ids,
            "model": Coded(events.model_numbers, events.models),
            "model_version": _coded(events.model_versions),
            "time": events.times_ms,
            "decision": Coded(decisions.codes, DECISIONS),
            "reasons": Coded(decisions.reason_codes, decisions.reason_texts),
            "uncertainty": decisions.uncertainty,
            "inclusion_probability": decisions.inclusion_probability,
            "audit": decisions.audit,
            "policy_version": Coded(policies.codes[events.model_numbers], policies.names),
            "task_id": self._spread(dict(zip(self.tasks.indexes.tolist(), self.tasks.ids, strict=True))),
        }
        if self.error_probability is not None:
            columns["error_probability"] = self.error_probability
        if not learned.is_none:
            columns["learned_version"] = _coded(learned.versions)
            columns["learned_prediction"] = _coded(learned.answers)
        if self.earlier_answers:
            answers = self.earlier_answers
            columns["correction_id"] = self._spread({index: answer.correction_id for index, answer in answers.items()})
            columns["settled_label"] = self._spread({index: answer.label for index, answer in answers.items()})
        return columns

    def _spread(self, texts: Mapping[int, str]) -> list[str]:
        """A column with these texts at their indexes, empty elsewhere."""
        column = [""] * len(self.events)
        for index, text in texts.items():
            column[index] = text
        return column

    def _as_arrow(self, columns: Mapping[str, Any], indexes: Ints) -> Any:
        """The verdicts on the events at ascending indexes as a record batch; None if there are none."""
        if not len(indexes):
            return None
        some = self._taken(columns, indexes)
        some["event_id"] = some["event_id"].arrow
        return verdict_batch(len(indexes), constant={"decided_at": self.decided_at}, columns=some)

    def _as_rows(self, columns: Mapping[str, Any], indexes: Ints) -> list[Any]:
        """The verdicts on the events at ascending indexes as rows that encode as Verdicts."""
        if not len(indexes):
            return []
        some = {name: _listed(column) for name, column in self._taken(columns, indexes).items()}
        if "error_probability" in some:
            some["error_probability"] = [None if error != error else error for error in some["error_probability"]]
        return list(VERDICT_ROWS.make(len(indexes), constant={"decided_at": self.decided_at}, columns=some))

    def _taken(self, columns: Mapping[str, Any], indexes: Ints) -> dict[str, Any]:
        """Some rows of all columns."""
        if len(indexes) == len(self.events):
            return dict(columns)
        return {name: _taken_column(column, indexes) for name, column in columns.items()}


def _coded(texts: Texts) -> Coded[str | None]:
    return Coded(texts.codes, texts.names)


def _runs(marks: Flags, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch of equal marks from ``begin`` to before ``end``."""
    if begin == end:
        return
    edges = (np.flatnonzero(np.diff(marks[begin:end])) + (begin + 1)).tolist()
    yield from pairwise((begin, *edges, end))


def _taken_column(column: Any, indexes: Ints) -> Any:
    if isinstance(column, Coded):
        return Coded(column.codes[indexes], column.values)
    if isinstance(column, EventIds):
        return column.take(indexes)
    return column[indexes] if isinstance(column, np.ndarray) else list(map(column.__getitem__, indexes.tolist()))


def _listed(column: Any) -> Sequence[Any]:
    if isinstance(column, Coded):
        return column.listed()
    if isinstance(column, EventIds):
        return column.texts
    listed: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return listed
