"""Confidences of a column of predictions, as each event gives its own or its probabilities do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.texts.labels import are_settled
from schemas.wire.prediction import probabilities_problem

__all__ = ["known_confidence"]

Floats = npt.NDArray[np.float64]


def known_confidence(given: Floats, labels: Sequence[str], probabilities: Sequence[Any] | None) -> Floats | None:
    """The model's own probability that each answer is right; None where what one event says of it may be wrong.

    ``given`` is NaN where there is none, ``probabilities`` None where no event has any.
    """
    if not are_settled({*labels, *chain.from_iterable(filter(None, probabilities or ()))}):
        return None
    unknown = np.flatnonzero(np.isnan(given)).tolist()
    if probabilities is None:
        return None if unknown else given
    for label, one in zip(labels, probabilities, strict=True):
        if one is not None and probabilities_problem(label, one):
            return None
    found = given.copy()
    for place in unknown:
        if probabilities[place] is None:
            return None
        found[place] = probabilities[place][labels[place]]
    return found
