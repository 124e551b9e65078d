"""Settled answers that answer the same question when it comes again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from cachetools import FIFOCache

from schemas.columns.feature_column import FeatureColumn
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.texts import Texts
from schemas.wire.base import Scalar
from schemas.wire.correction import Correction

__all__ = ["DecidedBefore", "EarlierAnswer"]

Question = frozenset[tuple[str, Scalar, bool]]


class EarlierAnswer(NamedTuple):
    """A label that people settled on, the correction that holds it, and until when it holds (epoch milliseconds)."""

    correction_id: str
    label: str
    until_ms: int


class DecidedBefore:
    """The settled answers of one model, each for ``keep_seconds`` from when it was settled; no clock of its own.

    Two events ask the same question if their features have the same names and equal values; null counts as absent. Late
    labels are not people's answers and are not remembered. At ``answers_max`` the oldest answer is forgotten. One
    thread may hear answers while another finds them.
    """

    def __init__(self, keep_seconds: float, answers_max: int) -> None:
        self._keep_ms = int(keep_seconds * 1000)
        self._answers: FIFOCache[Question, EarlierAnswer] = FIFOCache(answers_max)
        self._values: dict[str, Counter[Scalar]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def hear(self, correction: Correction) -> None:
        """Remember a settled answer; a newer one to the same question replaces it."""
        if correction.source == "label" or self._keep_ms == 0:
            return
        question = question_of(correction.features)
        until_ms = correction.created_at + self._keep_ms
        with self._lock:
            if question not in self._answers:
                if len(self._answers) == self._answers.maxsize:
                    self._count(self._answers.popitem()[0], -1)
                self._count(question, 1)
            self._answers[question] = EarlierAnswer(correction.correction_id, correction.label, until_ms)

    def find(self, events: PredictionColumns, now_ms: int) -> dict[int, EarlierAnswer]:
        """The answers that hold for a batch, by the index of the event."""
        answer_of = {}
        with self._lock:
            for index in self._candidates(events):
                answer = self._answers.get(question_of(events.row_features(index)))
                if answer is not None and now_ms <= answer.until_ms:
                    answer_of[index] = answer
        return answer_of

    def _count(self, question: Question, step: int) -> None:
        for name, value, _ in question:
            counts = self._values.setdefault(name, Counter())
            counts[value] += step
            if not counts[value]:
                del counts[value]

    def _candidates(self, events: PredictionColumns) -> list[int]:
        """The indexes worth a look at all features: the value of the most telling feature occurs among the answers."""
        if not self._answers:
            return []
        shared = [name for name in events.features if self._values.get(name)]
        if not shared:
            return list(range(len(events)))
        name = max(shared, key=lambda name: len(self._values[name]))
        return _known_or_missing(events.features[name], self._values[name])


def _known_or_missing(column: FeatureColumn, known: Collection[Scalar]) -> list[int]:
    """The indexes of values that are among those known, or None."""
    if isinstance(column.data, Texts):
        is_known = np.array([name is None or name in known for name in column.data.names], np.bool_)
        return is_known[column.data.codes].nonzero()[0].tolist()
    return [index for index, value in enumerate(column.values) if value in known or value is None]


def question_of(features: Mapping[str, Scalar]) -> Question:
    """Features as one value to compare; 1 equals 1.0, and neither equals true.

    >>> question_of({"x": 1, "y": None}) == question_of({"x": 1.0}), question_of({"x": 1}) == question_of({"x": True})
    (True, False)
    """
    return frozenset((name, value, type(value) is bool) for name, value in features.items() if value is not None)
