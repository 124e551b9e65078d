"""A forest refitted now and then on the most recent corrections, with the producer's logits among its inputs."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
import numpy.typing as npt
from sklearn.tree import ExtraTreeClassifier

from learning.members.batch import SPANS, Batch
from learning.members.features import Matrix
from learning.members.flat_trees import LEAF, FlatTrees
from learning.members.member import even

__all__ = ["FrozenForest", "WindowForestMember"]

Vector = npt.NDArray[np.float64]
CORRECTIONS_MIN = 30
"""No forest is fitted on fewer corrections."""

DEPTH_MAX = 16


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenForest:
    """Flat trees, and the label shares of each leaf: ``shares`` has shape (leaves, labels)."""

    trees: FlatTrees
    shares: npt.NDArray[np.float32]
    columns: int
    labels: int

    def inputs(self, batch: Batch) -> Matrix:
        """The inputs of a batch, with as many columns and labels as there were when the forest was fitted."""
        return batch.inputs(self.columns, self.labels)

    def predict(self, batch: Batch) -> Matrix:
        """Probabilities of shape (events, labels + 1)."""
        matrix = np.zeros((len(batch), batch.width))
        reached = self.trees.leaves(self.inputs(batch))
        if len(batch) == 1:
            matrix[0, : self.labels] = self.shares[reached[0]].sum(axis=0, dtype=np.float64)
        else:
            for column in range(reached.shape[1]):
                matrix[:, : self.labels] += self.shares[reached[:, column]]
        total = matrix.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, matrix / np.where(total > 0.0, total, 1.0), even(batch))


@dataclasses.dataclass(frozen=True, slots=True)
class WindowRow:
    """One correction of the window, with the columns and labels that were known when it came."""

    features: Vector
    logits: Vector
    recent: Matrix
    label: int
    weight: float

    def fill(self, row: Vector, columns: int, labels: int) -> None:
        """Write the inputs into a row of zeros of the present width; columns and labels added since stay 0."""
        row[: len(self.features)] = self.features
        for block, values in enumerate((self.logits, *self.recent)):
            start = columns + labels * block
            row[start : start + len(values)] = values


class WindowForestMember:
    """Extremely randomised trees (Geurts, Ernst & Wehenkel 2006) on a sliding window, with importance weights."""

    def __init__(self, seed: int, window: int, every: int, trees: int = 24) -> None:
        self._window: collections.deque[WindowRow] = collections.deque(maxlen=window)
        self._seed = seed
        self._every = every
        self._trees = trees
        self._since = 0
        self._frozen: FrozenForest | None = None

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Add the correction to the window; refit if ``every`` corrections are new."""
        logits = batch.production_logits(batch.width - 1)[0]
        self._window.append(WindowRow(batch.features[0], logits, batch.recent, label, weight))
        self._since += 1
        if self._since >= self._every and len(self._window) >= CORRECTIONS_MIN:
            self._since = 0
            self._frozen = self._fitted(batch.features.shape[1], batch.width - 1)

    def _fitted(self, columns: int, labels: int) -> FrozenForest:
        rows = np.zeros((len(self._window), columns + labels * (1 + len(SPANS))))
        for row, correction in zip(rows, self._window, strict=True):
            correction.fill(row, columns, labels)
        truth = np.array([correction.label for correction in self._window])
        weights = np.array([correction.weight for correction in self._window])
        # Single trees, not sklearn's ensemble: on so few rows its checks and copies cost as much as the fits.
        inputs = np.ascontiguousarray(rows, dtype=np.float32)
        models = [
            ExtraTreeClassifier(
                min_samples_leaf=5, max_features=None, max_depth=DEPTH_MAX, random_state=(self._seed + number) % 2**32
            ).fit(inputs, truth, sample_weight=weights, check_input=False)
            for number in range(self._trees)
        ]
        return _flattened(models, columns, labels)

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,)."""
        row: Vector = (even(batch) if self._frozen is None else self._frozen.predict(batch))[0]
        return row

    def freeze(self) -> FrozenForest:
        """The forest of the last refit, an empty one before the first; a refit replaces it and never changes it."""
        if self._frozen is None:
            nothing = np.zeros(0, dtype=np.int32)
            empty = FlatTrees(nothing, nothing, np.zeros(0), nothing, nothing)
            return FrozenForest(empty, np.zeros((0, 0), dtype=np.float32), 0, 0)
        return self._frozen


def _flattened(models: list[ExtraTreeClassifier], columns: int, labels: int) -> FrozenForest:
    roots, feature, threshold, left, right, shares = [], [], [], [], [], []
    nodes = leaves = 0
    for model in models:
        table = model.tree_
        is_leaf = table.children_left < 0
        numbers = np.cumsum(is_leaf) - 1 + leaves
        roots.append(nodes)
        feature.append(np.where(is_leaf, LEAF, table.feature))
        threshold.append(table.threshold)
        left.append(np.where(is_leaf, numbers, table.children_left + nodes))
        right.append(table.children_right + nodes)
        own_shares = np.zeros((int(is_leaf.sum()), labels), dtype=np.float32)
        own_shares[:, model.classes_] = table.value[is_leaf, 0, :]
        shares.append(own_shares)
        nodes += table.node_count
        leaves += len(own_shares)
    trees = FlatTrees(
        roots=np.array(roots, dtype=np.int32),
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold),
        left=np.concatenate(left).astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
    )
    return FrozenForest(trees, np.concatenate(shares), columns, labels)
