"""The stack: several members, each weighted by how well it has lately predicted corrections."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from learning.members.batch import Batch, Production, RecentLabels, production_matrix
from learning.members.features import Encoder, FeatureValues, Matrix, one_row
from learning.members.member import FrozenMember, Member
from learning.members.online_logistic import OnlineLogistic, logit
from learning.members.recipes import member_of
from learning.settings import LearnSettings
from schemas.wire.base import Scalar

__all__ = ["Answer", "FrozenStack", "Stack", "probabilities_of"]

Vector = npt.NDArray[np.float64]

SMOOTHING = 0.01
"""Share of every member's answer that is spread over all labels, so that no label is ever impossible."""

ERROR_DECAY = 0.99
"""Share of the recent error rate of production that is left after a correction."""

ERROR_SLOPE_FIRST = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The answer to some events: ``probabilities`` (events, labels + 1), and ``error_inputs`` (events, inputs).

    ``FrozenStack.error_probabilities`` reads from the latter how likely production is wrong.
    """

    probabilities: Matrix
    error_inputs: Matrix


def mixed(parts: npt.NDArray[np.float64], weights: Vector) -> Matrix:
    """Members' probabilities of shape (members, events, labels + 1), smoothed and averaged by weight."""
    width = parts.shape[2]
    smoothed: Matrix = np.tensordot(weights, parts, axes=1) * (1.0 - SMOOTHING) + SMOOTHING / width
    return smoothed


def error_inputs(parts: npt.NDArray[np.float64], stacked: Matrix, batch: Batch, error_rate: float) -> Matrix:
    """What the probability of an error is read from; shape (events, 4 + members).

    The columns: 1, the logit of the recent error rate, whether stack and production disagree, and the logits of
    1 − p(production's answer) by the stack and by each member.
    """
    rows = np.arange(len(batch))
    answers = batch.production.argmax(axis=1)
    events = len(batch)
    return np.column_stack(
        (
            np.ones(events),
            np.full(events, logit(np.array([error_rate]))[0]),
            (stacked.argmax(axis=1) != answers).astype(np.float64),
            logit(1.0 - stacked[rows, answers]),
            *(logit(1.0 - part[rows, answers]) for part in parts),
        )
    )


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenStack:
    """A copy of what the stack had learned at one moment; it never changes."""

    encoder: Encoder
    labels: tuple[str, ...]
    members: tuple[FrozenMember, ...]
    weights: Vector
    error_weights: Vector
    error_rate: float
    recent: Matrix

    def answer(self, features: FeatureValues, productions: Sequence[Production]) -> Answer:
        """The answer to as many events as there are ``productions``."""
        index = {label: number for number, label in enumerate(self.labels)}
        encoded = self.encoder.encode(features, len(productions))
        batch = Batch(encoded, production_matrix(productions, index), self.recent)
        parts = np.stack([member.predict(batch) for member in self.members])
        stacked = mixed(parts, self.weights)
        return Answer(stacked, error_inputs(parts, stacked, batch, self.error_rate))

    def error_probabilities(self, answer: Answer) -> Vector:
        """The probability that production's answer is wrong; shape (events,)."""
        return OnlineLogistic(self.error_weights).predict(answer.error_inputs)


class Stack:
    """Learns from every correction; answers with a weighted mean of its members' probabilities.

    Weights are proportional to exp(−``learning_rate`` · decayed, importance-weighted log-loss), all scored before the
    correction is learned, with a fixed share for each (Herbster & Warmuth, "Tracking the Best Expert", 1998).
    Importance weights 1/π are capped (Beygelzimer, Dasgupta & Langford, "Importance Weighted Active Learning", 2009,
    for the weights; the cap trades a bias for variance). Labels are known in the order in which they were met, at most
    ``labels_max``; a correction with another is counted in ``labels_refused`` and not learned.
    """

    def __init__(self, settings: LearnSettings) -> None:
        self._settings = settings
        self._encoder = Encoder(settings)
        self._labels: dict[str, int] = {}
        self._members: list[Member] = [member_of(name, settings) for name in settings.members]
        self._losses = np.zeros(len(self._members))
        self._recent = RecentLabels(settings.refresh_corrections)
        slopes = np.zeros(4 + len(self._members))
        slopes[3] = ERROR_SLOPE_FIRST
        self._errors = OnlineLogistic(slopes, rate=0.05)
        self._error_rate = 0.1
        self.labels_refused = 0
        self.learned = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The known labels, in the order in which they were met."""
        return tuple(self._labels)

    @property
    def weights(self) -> Vector:
        """The weight of each member; they sum to one."""
        odds = np.exp(-self._settings.learning_rate * (self._losses - self._losses.min()))
        share = self._settings.fixed_share
        weights: Vector = odds / odds.sum() * (1.0 - share) + share / len(odds)
        return weights

    def learn_one(
        self, features: Mapping[str, Scalar], production: Production, label: str, weight: float
    ) -> dict[str, float]:
        """Learn one correction with its weight (1/π times reliability, capped); returns what was predicted before."""
        self._encoder.learn_one(features)
        for name in (production.prediction, label):
            self._admit(name)
        batch = self._batch(features, production)
        parts = self._parts(batch)
        stacked = mixed(parts, self.weights)
        before = probabilities_of(stacked[0], self._labels, production)
        number = self._labels.get(label)
        if number is None:
            self.labels_refused += 1
            return before
        capped = min(weight, self._settings.weight_max)
        self._score(parts, number, capped)
        self._learn_error(parts, stacked, batch, production.prediction != label, capped)
        for member in self._members:
            member.learn_one(batch, number, capped)
        self._recent.learn_one(number)
        self.learned += 1
        return before

    def freeze(self) -> FrozenStack:
        """A copy that answers as this one does now, whatever is learned later."""
        return FrozenStack(
            encoder=copy.deepcopy(self._encoder),
            labels=self.labels,
            members=tuple(member.freeze() for member in self._members),
            weights=self.weights,
            error_weights=self._errors.weights.copy(),
            error_rate=self._error_rate,
            recent=self._recent.newest(len(self._labels)),
        )

    def _admit(self, label: str) -> None:
        if label not in self._labels and len(self._labels) < self._settings.labels_max:
            self._labels[label] = len(self._labels)

    def _batch(self, features: Mapping[str, Scalar], production: Production) -> Batch:
        return Batch(
            self._encoder.encode(one_row(features), 1),
            production_matrix([production], self._labels),
            self._recent.as_served(len(self._labels)),
        )

    def _parts(self, batch: Batch) -> npt.NDArray[np.float64]:
        return np.stack([member.predict_one(batch)[None, :] for member in self._members])

    def _score(self, parts: npt.NDArray[np.float64], number: int, weight: float) -> None:
        width = parts.shape[2]
        given = parts[:, 0, number] * (1.0 - SMOOTHING) + SMOOTHING / width
        self._losses = self._losses * self._settings.loss_decay - weight * np.log(given)

    def _learn_error(
        self, parts: npt.NDArray[np.float64], stacked: Matrix, batch: Batch, wrong: bool, weight: float
    ) -> None:
        self._errors.learn_one(error_inputs(parts, stacked, batch, self._error_rate)[0], wrong, weight)
        step = min(1.0, (1.0 - ERROR_DECAY) * weight)
        self._error_rate += step * (float(wrong) - self._error_rate)


def probabilities_of(row: Vector, labels: Mapping[str, int], production: Production) -> dict[str, float]:
    """A row of probabilities by label.

    The last column, "a label not known", goes to production's answer if that is not known; otherwise it is dropped.

    >>> row = np.array([0.6, 0.2, 0.2])
    >>> probabilities_of(row, {"a": 0, "b": 1}, Production("c", 0.9))
    {'a': 0.6, 'b': 0.2, 'c': 0.2}
    """
    probability_of = {label: float(row[number]) for label, number in labels.items()}
    if production.prediction in probability_of:
        # Production's answer is known: the last column holds nothing but smoothing.
        total = sum(probability_of.values())
        return {label: value / total for label, value in probability_of.items()}
    probability_of[production.prediction] = float(row[-1])
    return probability_of
