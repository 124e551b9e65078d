"""Confidences of a column of predictions: given by each event itself, or taken from its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.columns.texts import Texts
from schemas.texts.labels import are_valid_labels
from schemas.wire.prediction import probabilities_problem

__all__ = ["known_confidence"]

Floats = npt.NDArray[np.float64]


def known_confidence(given: Floats, labels: Texts, probabilities: Sequence[Any] | None) -> Floats | None:
    """The model's own probability that each label is right, shape (n,); None if what an event says may be wrong.

    ``given`` has shape (n,), with NaN for an event without a confidence; each name of ``labels`` occurs.
    ``probabilities`` holds a dictionary or None for each event; it is None if no event has any.

    >>> known_confidence(np.array([0.9, np.nan]), Texts.of(["a", "b"]), [None, {"a": 0.25, "b": 0.75}])
    array([0.9 , 0.75])
    """
    names: set[Any] = {*labels.names, *chain.from_iterable(filter(None, probabilities or ()))}
    if not are_valid_labels(names):
        return None
    unknown = np.flatnonzero(np.isnan(given)).tolist()
    if probabilities is None:
        return None if unknown else given
    label_of: list[Any] = labels.tolist()
    for label, by_label in zip(label_of, probabilities, strict=True):
        if by_label is not None and probabilities_problem(label, by_label):
            return None
    known = given.copy()
    for index in unknown:
        if probabilities[index] is None:
            return None
        known[index] = probabilities[index][label_of[index]]
    return known
