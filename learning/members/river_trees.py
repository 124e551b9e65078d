"""River's Hoeffding trees as members, and their frozen form: flat arrays with a naive Bayes classifier in each leaf."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from river import forest, tree

from learning.members.batch import Batch
from learning.members.features import Matrix
from learning.members.flat_trees import FlatTrees, TreeBuilder
from learning.members.member import even

__all__ = ["AdaptiveForestMember", "AdaptiveTreeMember", "FrozenLeaf", "FrozenTrees"]

Vector = npt.NDArray[np.float64]
HALF_LOG_TAU = 0.5 * math.log(math.tau)


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenLeaf:
    """One leaf: the shares of its labels, or naive Bayes with a Gaussian for each feature and label.

    ``means`` and ``slopes``, which is −1/(2·variance), have shape (features, labels); ``offsets`` of shape (labels,)
    sums the logarithms of the norming constants. A feature for which River has no variance yet contributes 0 to a
    label, as in River.
    """

    labels: npt.NDArray[np.intp]
    log_shares: Vector
    features: npt.NDArray[np.intp]
    means: Matrix
    slopes: Matrix
    offsets: Vector

    def predict(self, features: Matrix) -> Matrix:
        """Probabilities of shape (events, labels of this leaf)."""
        scores = np.repeat(self.log_shares[None, :], len(features), axis=0)
        if len(self.features):
            distance = features[:, self.features, None] - self.means
            scores += (distance * distance * self.slopes).sum(axis=1) + self.offsets
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        probabilities: Matrix = odds / odds.sum(axis=1, keepdims=True)
        return probabilities


def frozen_leaf(leaf: Any) -> FrozenLeaf | None:
    """The frozen form of one of River's naive Bayes adaptive leaves; None if it has seen nothing yet.

    A label of weight zero gets probability zero; River gives it a likelihood of one (``do_naive_bayes_prediction``,
    0.26.1).
    """
    stats = {label: weight for label, weight in leaf.stats.items() if weight > 0.0}
    if not stats:
        return None
    labels = sorted(stats)
    total = sum(stats.values())
    splitters = leaf.splitters if leaf.is_active() and leaf._nb_correct_weight >= leaf._mc_correct_weight else {}
    features = sorted(splitters)
    shape = (len(features), len(labels))
    means, slopes, offsets = np.zeros(shape), np.zeros(shape), np.zeros(len(labels))
    for row, feature in enumerate(features):
        gaussians = splitters[feature]._att_dist_per_class
        for column, label in enumerate(labels):
            gaussian = gaussians.get(label)
            variance = 0.0 if gaussian is None or gaussian.n_samples <= 1 else gaussian.sigma**2
            if variance > 0.0:
                means[row, column] = gaussian.mu
                slopes[row, column] = -0.5 / variance
                offsets[column] -= HALF_LOG_TAU + 0.5 * math.log(variance)
    return FrozenLeaf(
        labels=np.array(labels, dtype=np.intp),
        log_shares=np.log([stats[label] / total for label in labels]),
        features=np.array(features, dtype=np.intp),
        means=means,
        slopes=slopes,
        offsets=offsets,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenTrees:
    """Trees, their leaves by number, and the weight of each tree's vote."""

    trees: FlatTrees
    leaves: tuple[FrozenLeaf | None, ...]
    votes: Vector
    columns: int

    def predict(self, batch: Batch) -> Matrix:
        """Probabilities of shape (events, labels + 1)."""
        matrix = np.zeros((len(batch), batch.width))
        features = batch.features
        reached = self.trees.leaves(features)
        for column, vote in enumerate(self.votes):
            numbers = reached[:, column]
            if len(batch) == 1:
                leaf = self.leaves[numbers[0]]
                if leaf is not None:
                    matrix[0, leaf.labels] += vote * leaf.predict(features)[0]
                continue
            order = np.argsort(numbers, kind="stable")
            changes = np.flatnonzero(np.diff(numbers[order])) + 1
            for rows in np.split(order, changes) if len(order) else ():
                leaf = self.leaves[numbers[rows[0]]]
                if leaf is not None:
                    matrix[np.ix_(rows, leaf.labels)] += vote * leaf.predict(features[rows])
        total = matrix.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, matrix / np.where(total > 0.0, total, 1.0), even(batch))


def frozen_trees(models: list[Any], votes: list[float], columns: int) -> FrozenTrees:
    """Flatten River trees; the alternate trees of an adaptive tree are left out, since they do not answer yet."""
    builder = TreeBuilder()
    leaves: list[FrozenLeaf | None] = []

    def add(node: Any) -> int:
        if node is None or not hasattr(node, "children"):
            leaves.append(None if node is None else frozen_leaf(node))
            return builder.leaf(len(leaves) - 1)
        number = builder.branch()
        left, right = (add(child) for child in node.children)
        builder.fill(number, node.feature, node.threshold, left, right)
        return number

    for model in models:
        builder.root(add(model._root))
    return FrozenTrees(builder.build(), tuple(leaves), np.array(votes, dtype=np.float64), columns)


def _predict_path(models: list[Any], votes: list[float], batch: Batch) -> Vector:
    """The answer for one event, from the leaves it reaches."""
    features = batch.features
    row = features[0]
    result = np.zeros(batch.width)
    for model, vote in zip(models, votes, strict=True):
        node = model._root
        while hasattr(node, "children"):
            node = node.children[0 if row[node.feature] <= node.threshold else 1]
        leaf = None if node is None else frozen_leaf(node)
        if leaf is not None:
            result[leaf.labels] += vote * leaf.predict(features)[0]
    total = result.sum()
    answer: Vector = result / total if total > 0.0 else even(batch)[0]
    return answer


class AdaptiveTreeMember:
    """Hoeffding adaptive tree (Bifet & Gavaldà 2009); it answers from its main tree.

    River 0.26.1 fails to predict once an alternate tree has branched (``traverse`` nests lists), so this class reads
    the answer from the leaves itself.
    """

    def __init__(self, seed: int, grace_period: int = 50) -> None:
        self._model: Any = tree.HoeffdingAdaptiveTreeClassifier(grace_period=grace_period, seed=seed, max_depth=20)
        self._columns = 0

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Learn with the importance weight."""
        self._columns = batch.features.shape[1]
        self._model.learn_one(dict(enumerate(batch.features[0].tolist())), label, w=weight)

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,)."""
        return _predict_path([self._model], [1.0], batch)

    def freeze(self) -> FrozenTrees:
        """The main tree as arrays."""
        return frozen_trees([self._model], [1.0], self._columns)


class AdaptiveForestMember:
    """Adaptive random forest (Gomes et al. 2017); each tree votes with its own accuracy so far.

    River's forest takes no weight for an example, so importance weights do not reach it.
    """

    def __init__(self, seed: int, trees: int = 10) -> None:
        self._model: Any = forest.ARFClassifier(n_models=trees, seed=seed, max_depth=20)
        self._columns = 0

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:  # noqa: ARG002 - see the class
        """Learn, each tree on a Poisson number of copies."""
        self._columns = batch.features.shape[1]
        if self._columns:
            self._model.learn_one(dict(enumerate(batch.features[0].tolist())), label)

    def _votes(self) -> list[float]:
        accuracies = [metric.get() for metric in self._model._metrics[: len(self._model)]]
        return [value if value > 0.0 else 1.0 for value in accuracies]

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,)."""
        return _predict_path(list(self._model), self._votes(), batch)

    def freeze(self) -> FrozenTrees:
        """All trees as arrays, with the weight that each has now: a copy that later corrections do not change."""
        return frozen_trees(list(self._model), self._votes(), self._columns)
