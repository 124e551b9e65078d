"""River's logistic regression, one against the rest, on standardised features and the producer's logits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from river import linear_model, multiclass, optim, preprocessing

from learning.members.batch import SPANS, Batch
from learning.members.features import Matrix
from learning.members.member import even
from learning.members.online_logistic import sigmoid

__all__ = ["FrozenLogistic", "LogisticMember"]

Vector = npt.NDArray[np.float64]
Key = int | tuple[int, int]

STANDARD_MAX = 6.0
"""Standardised features are clipped to plus or minus this: one outlier must not undo what was learned."""


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenLogistic:
    """The weights as arrays: ``weights`` (labels, inputs), ``means`` and ``deviations`` (columns)."""

    columns: int
    labels: int
    means: Vector
    deviations: Vector
    known: npt.NDArray[np.intp]
    weights: Matrix
    intercepts: Vector

    def inputs(self, batch: Batch) -> Matrix:
        """Standardised features beside the producer's logits and the recent labels."""
        inputs = batch.inputs(self.columns, self.labels)
        inputs[:, : self.columns] = _standardised(inputs[:, : self.columns], self.means, self.deviations)
        return inputs

    def predict(self, batch: Batch) -> Matrix:
        """Probabilities of shape (events, labels + 1)."""
        if not len(self.known):
            return even(batch)
        scores = sigmoid(self.inputs(batch) @ self.weights.T + self.intercepts)
        matrix = np.zeros((len(batch), batch.width))
        matrix[:, self.known] = scores / scores.sum(axis=1, keepdims=True)
        return matrix


def _standardised(features: Matrix, means: Vector, deviations: Vector) -> Matrix:
    scale = np.where(deviations > 0.0, deviations, 1.0)
    centred = np.where(deviations > 0.0, features - means, 0.0)
    clipped: Matrix = np.clip(centred / scale, -STANDARD_MAX, STANDARD_MAX)
    return clipped


class LogisticMember:
    """Learns by ``learn_one`` with the importance weight; features are standardised by River's StandardScaler."""

    def __init__(self, rate: float = 0.02) -> None:
        self._scaler: Any = preprocessing.StandardScaler()
        self._model: Any = multiclass.OneVsRestClassifier(
            linear_model.LogisticRegression(optimizer=optim.AdaGrad(rate), intercept_lr=rate)
        )
        self._columns = 0
        self._labels = 0

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Update the scaler, then take one step for each label."""
        self._columns = batch.features.shape[1]
        self._labels = batch.width - 1
        self._scaler.learn_one(dict(enumerate(batch.features[0].tolist())))
        frozen = self._frozen(weights=False)
        inputs = frozen.inputs(batch)[0].tolist()
        self._model.learn_one(dict(zip(self._keys(), inputs, strict=True)), label, w=weight)

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,)."""
        row: Vector = self.freeze().predict(batch)[0]
        return row

    def freeze(self) -> FrozenLogistic:
        """Weights, intercepts and the scaler's figures as arrays: a copy that later corrections do not change."""
        return self._frozen(weights=True)

    def _keys(self) -> list[Key]:
        """River's names of the inputs: a column or (block, label). They stay as columns and labels are added."""
        blocks = range(1 + len(SPANS))
        return [*range(self._columns), *((block, label) for block in blocks for label in range(self._labels))]

    def _frozen(self, weights: bool) -> FrozenLogistic:
        columns = range(self._columns)
        known = sorted(self._model.classifiers) if weights else []
        rows, intercepts = [], []
        for label in known:
            model = self._model.classifiers[label]
            weight_of = model.weights
            rows.append([weight_of.get(key, 0.0) for key in self._keys()])
            intercepts.append(model.intercept)
        return FrozenLogistic(
            columns=self._columns,
            labels=self._labels,
            means=np.array([self._scaler.means.get(column, 0.0) for column in columns]),
            deviations=np.sqrt([self._scaler.vars.get(column, 0.0) for column in columns]),
            known=np.array(known, dtype=np.intp),
            weights=np.array(rows, dtype=np.float64).reshape(len(known), len(self._keys())),
            intercepts=np.array(intercepts, dtype=np.float64),
        )
