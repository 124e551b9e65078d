"""How unsure a model is of its answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.prediction_columns import PredictionColumns

__all__ = ["margin_uncertainty", "prediction_uncertainty"]


def prediction_uncertainty(events: PredictionColumns) -> npt.NDArray[np.float64]:
    """1 - the model's own probability of its answer ("least confidence", Lewis & Gale 1994); shape (events,).

    It reads as the probability of being wrong, so it mixes with error probabilities on one scale, and it means the same
    whether a producer sends ``confidence`` or ``probabilities``. With two labels it orders events as margin and entropy
    do.
    """
    return np.clip(1.0 - events.confidence, 0.0, 1.0)


def margin_uncertainty(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half of (1 - the lead of the likeliest label over the next); (events, labels) in, (events,) out, from 0 to 1/2.

    For two labels it equals 1 - the larger probability; with more it asks about the doubt between the two best labels
    (Scheffer, Decomain & Wrobel 2001) and is not drawn to a long tail of unlikely ones, as entropy is. One label alone
    leaves no doubt: 0.
    """
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities have shape {probabilities.shape}; expected (events, labels)")
    if probabilities.shape[1] < 2:
        return np.zeros(probabilities.shape[0])
    best_two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.clip((1.0 - (best_two[:, 1] - best_two[:, 0])) / 2.0, 0.0, 1.0)
