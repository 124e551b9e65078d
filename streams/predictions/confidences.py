"""Confidences of a column of predictions: given by each event itself, or taken from its probabilities."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.columns.probabilities import LabelMatrix, Probabilities
from schemas.columns.texts import Texts
from schemas.probability import MOST, PROBABILITY_SLACK
from schemas.texts.labels import are_valid_labels
from schemas.wire.prediction import probabilities_problem

__all__ = ["known_confidence"]

Floats = npt.NDArray[np.float64]

SUM_ERROR: Final = 1e-9
"""More than the rounding error of a sum of probabilities, whatever the order of its terms."""


def known_confidence(given: Floats, labels: Texts, probabilities: Probabilities | None) -> Floats | None:
    """The model's own probability that each label is right, shape (n,); None if what an event says may be wrong.

    ``given`` has shape (n,), with NaN for an event without a confidence; each name of ``labels`` occurs.
    ``probabilities`` is None if no event has any.

    >>> known_confidence(np.array([0.9, np.nan]), Texts.of(["a", "b"]), Probabilities([None, {"a": 0.25, "b": 0.75}]))
    array([0.9 , 0.75])
    """
    names: set[Any] = set(labels.names) if probabilities is None else {*labels.names, *probabilities.labels}
    if not are_valid_labels(names):
        return None
    unknown = np.isnan(given)
    if probabilities is None:
        return None if unknown.any() else given
    of_label = _of_labels(labels, probabilities)
    if of_label is None or np.isnan(of_label[unknown]).any():
        return None
    return np.where(unknown, of_label, given)


def _of_labels(labels: Texts, probabilities: Probabilities) -> Floats | None:
    """The probability of each label, NaN for an event that gives none; None if what an event gives may be wrong."""
    if isinstance(probabilities.data, LabelMatrix):
        return _of_labels_in(labels, probabilities.data)
    label_of: list[Any] = labels.tolist()
    for label, by_label in zip(label_of, probabilities.data, strict=True):
        if by_label is not None and probabilities_problem(label, by_label):
            return None
    return np.array(
        [
            np.nan if by_label is None else by_label[label]
            for label, by_label in zip(label_of, probabilities.data, strict=True)
        ]
    )


def _of_labels_in(labels: Texts, matrix: LabelMatrix) -> Floats | None:
    """The same of a matrix; None also for a sum so near a bound that it depends on the order of its terms."""
    is_given = ~np.isnan(matrix.values)
    gives_any = is_given.any(axis=1)
    totals = np.where(is_given, matrix.values, 0.0).sum(axis=1)[gives_any]
    if (totals < 1.0 - PROBABILITY_SLACK + SUM_ERROR).any() or (totals > MOST - SUM_ERROR).any():
        return None
    column_of = {label: column for column, label in enumerate(matrix.labels)}
    columns = np.array([column_of.get(name or "", -1) for name in labels.names])[labels.codes]
    of_label: Floats = np.where(columns < 0, np.nan, matrix.values[np.arange(len(columns)), columns])
    return None if np.isnan(of_label[gives_any]).any() else of_label
