"""Decision trees as flat arrays: many events walk down all trees at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from learning.members.features import Matrix

__all__ = ["LEAF", "FlatTrees", "TreeBuilder"]

Index = npt.NDArray[np.int32]

LEAF = -1


@dataclasses.dataclass(frozen=True, slots=True)
class FlatTrees:
    """The nodes of all trees in one table.

    An event goes ``left`` if its feature is at most the threshold. At a leaf ``feature`` is LEAF, and ``left`` is the
    number of the leaf.
    """

    roots: Index
    feature: Index
    threshold: Matrix
    left: Index
    right: Index

    def leaves(self, features: Matrix) -> Index:
        """The number of the leaf that each event reaches in each tree; shape (events, trees)."""
        node = np.broadcast_to(self.roots, (len(features), len(self.roots))).copy()
        rows, trees = np.nonzero(self.feature[node] != LEAF)
        while len(rows):
            at = node[rows, trees]
            goes_left = features[rows, self.feature[at]] <= self.threshold[at]
            below = np.where(goes_left, self.left[at], self.right[at])
            node[rows, trees] = below
            inner = self.feature[below] != LEAF
            rows, trees = rows[inner], trees[inner]
        reached: Index = self.left[node]
        return reached


class TreeBuilder:
    """Collects nodes and makes FlatTrees of them."""

    def __init__(self) -> None:
        self._roots: list[int] = []
        self._nodes: list[tuple[int, float, int, int]] = []

    def root(self, node: int) -> None:
        """Add the tree that begins at this node."""
        self._roots.append(node)

    def leaf(self, number: int) -> int:
        """Add a leaf; returns its node."""
        self._nodes.append((LEAF, 0.0, number, 0))
        return len(self._nodes) - 1

    def branch(self) -> int:
        """Add an inner node that ``fill`` completes later; returns it."""
        self._nodes.append((LEAF, 0.0, 0, 0))
        return len(self._nodes) - 1

    def fill(self, node: int, feature: int, threshold: float, left: int, right: int) -> None:
        """Complete an inner node that ``branch`` returned."""
        self._nodes[node] = (feature, threshold, left, right)

    def build(self) -> FlatTrees:
        """All trees added so far as arrays; nodes are numbered in the order in which they were added."""
        feature, threshold, left, right = zip(*self._nodes, strict=True) if self._nodes else ((), (), (), ())
        return FlatTrees(
            roots=np.array(self._roots, dtype=np.int32),
            feature=np.array(feature, dtype=np.int32),
            threshold=np.array(threshold, dtype=np.float64),
            left=np.array(left, dtype=np.int32),
            right=np.array(right, dtype=np.int32),
        )
