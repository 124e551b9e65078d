"""How unsure a model is of its answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns

__all__ = ["prediction_uncertainty"]


def prediction_uncertainty(events: PredictionColumns) -> npt.NDArray[np.float64]:
    """1 - the model's own probability of its answer ("least confidence", Lewis & Gale 1994); shape (events,).

    It reads as the probability of being wrong, so it mixes with error probabilities on one scale, and it means the same
    whether a producer sends ``confidence`` or ``probabilities``. With two labels it orders events as margin and entropy
    do.
    """
    return np.clip(1.0 - events.confidence, 0.0, 1.0)
