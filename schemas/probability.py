"""Which numbers count as probabilities: producers round, so numbers slightly outside [0, 1] are accepted.

One rule for all inputs: JSON, Arrow, recorded tables, and the producer's own check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

if TYPE_CHECKING:  # producers who send no arrays need no numpy here
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "ABOVE_TAKEN",
    "BELOW_TAKEN",
    "LEAST",
    "MOST",
    "PROBABILITY_SLACK",
    "PROBABILITY_SLACK_BELOW",
    "PROBABILITY_WORDS",
    "SUM_WORDS",
    "GivenProbability",
    "bounded",
    "probabilities_of",
    "sums_to_one",
]

PROBABILITY_SLACK: Final = 0.02
"""How far a probability may lie above 1, and a sum of probabilities from 1: shares are rounded to two digits."""

PROBABILITY_SLACK_BELOW: Final = 1e-4
"""How far a probability may lie below 0, as 1 - p does if p was rounded; shares are never rounded below 0."""

LEAST: Final = -PROBABILITY_SLACK_BELOW
MOST: Final = 1.0 + PROBABILITY_SLACK

ABOVE_TAKEN: Final = f"a rounding up to {MOST:g} is taken as 1"
BELOW_TAKEN: Final = f"one down to {LEAST:g} as 0"
PROBABILITY_WORDS: Final = f"numbers in [0, 1] ({ABOVE_TAKEN}, {BELOW_TAKEN})"
SUM_WORDS: Final = f"1 ({1.0 - PROBABILITY_SLACK:g} to {MOST:g} is taken)"
"""What every reason says is expected, with the roundings that are accepted."""

GivenProbability = Annotated[float, Meta(ge=LEAST, le=MOST)]
"""A probability as a producer may send it; ``bounded`` gives its value in [0, 1]."""


def sums_to_one(total: float) -> bool:
    """Whether ``total`` is accepted as the sum of ``bounded`` probabilities.

    >>> sums_to_one(0.98), sums_to_one(1.02), sums_to_one(0.97), sums_to_one(float("nan"))
    (True, True, False, False)
    """
    return 1.0 - PROBABILITY_SLACK <= total <= MOST


def bounded(given: float) -> float:
    """A ``GivenProbability`` in [0, 1]: a number outside counts as the bound next to it.

    >>> bounded(1.0000001), bounded(-1e-7), bounded(0.5)
    (1.0, 0.0, 0.5)
    """
    return min(1.0, max(0.0, given))


def probabilities_of(given: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Numbers of any shape, each ``bounded``; None if one of them is no ``GivenProbability``.

    NaN, which stands for a missing number, stays NaN. Returns ``given`` itself if nothing changes.

    >>> import numpy as np
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
    return given.clip(0.0, 1.0)
