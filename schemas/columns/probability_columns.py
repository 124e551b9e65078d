"""The rule of ``schemas.probability`` for whole columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.probability import LEAST, MOST

__all__ = ["probabilities_of"]

Floats = npt.NDArray[np.float64]


def probabilities_of(given: Floats) -> Floats | None:
    """Numbers of any shape as probabilities in [0, 1], a rounding beside it as its bound; None where one is none.

    NaN, which stands for what is not given, stays NaN. Where nothing needs a correction it is ``given`` itself.

    >>> probabilities_of(np.array([0.5, 1.0000001, -1e-7, np.nan]))
    array([0.5, 1. , 0. , nan])
    >>> probabilities_of(np.array([0.5, 1.03])) is None
    True
    """
    above, below = given > 1.0, given < 0.0
    if not above.any() and not below.any():
        return given
    if (given > MOST).any() or (given < LEAST).any():
        return None
    return np.clip(given, 0.0, 1.0)
