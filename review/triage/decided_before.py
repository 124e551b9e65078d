"""DecidedBefore: settled answers that answer the same question again."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import Scalar
from schemas.wire.correction import Correction

__all__ = ["DecidedBefore", "EarlierAnswer"]

Question = frozenset[tuple[str, Scalar, bool]]


class EarlierAnswer(NamedTuple):
    """An answer of people: the correction that holds it, and the label."""

    correction_id: str
    label: str
    until_ms: int


class DecidedBefore:
    """The settled answers of one model, each for ``keep_seconds`` from when it was settled; no clock of its own.

    The same question is the same features: the same names with equal values, null and absent alike. Late labels are no
    answers of people and are not remembered. At ``answers_max`` the oldest is forgotten.
    """

    def __init__(self, keep_seconds: float, answers_max: int) -> None:
        self._keep_ms = int(keep_seconds * 1000)
        self._answers_max = answers_max
        self._answers: OrderedDict[Question, EarlierAnswer] = OrderedDict()
        self._values: dict[str, Counter[Scalar]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def hear(self, correction: Correction) -> None:
        """Remember a settled answer; a newer one to the same question replaces it."""
        if correction.source == "label" or self._keep_ms == 0:
            return
        question = question_of(correction.features)
        if self._answers.pop(question, None) is None:
            self._count(question, 1)
        self._answers[question] = EarlierAnswer(
            correction.correction_id, correction.label, correction.created_at + self._keep_ms
        )
        if len(self._answers) > self._answers_max:
            self._count(self._answers.popitem(last=False)[0], -1)

    def find(self, events: PredictionColumns, now_ms: int) -> dict[int, EarlierAnswer]:
        """The indexes of events whose question is answered, with the answer."""
        settled_of = {}
        for index in self._candidates(events):
            settled = self._answers.get(question_of(events.row_features(index)))
            if settled is not None and now_ms <= settled.until_ms:
                settled_of[index] = settled
        return settled_of

    def _count(self, question: Question, step: int) -> None:
        for name, value, _ in question:
            counts = self._values.setdefault(name, Counter())
            counts[value] += step
            if not counts[value]:
                del counts[value]

    def _candidates(self, events: PredictionColumns) -> list[int]:
        """Indexes whose value of the most telling feature occurs among the answers: few need a look at all features."""
        if not self._answers:
            return []
        shared = [name for name in events.features if self._values.get(name)]
        if not shared:
            return list(range(len(events)))
        name = max(shared, key=lambda name: len(self._values[name]))
        known = self._values[name]
        return [index for index, value in enumerate(events.features[name].values) if value in known or value is None]


def question_of(features: Mapping[str, Scalar]) -> Question:
    """Features as one value to compare; true is not 1, but 1 is 1.0."""
    return frozenset((name, value, type(value) is bool) for name, value in features.items() if value is not None)
