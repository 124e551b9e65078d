"""What counts as a probability: producers round, and a rounding is no mistake.

One rule for every way in: JSON, Arrow, recorded tables, and the producer's own check.
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
"""By how much a probability may be above 1, and a sum of probabilities beside it: shares rounded to two digits."""

PROBABILITY_SLACK_BELOW: Final = 1e-4
"""By how much a probability may be below 0: one less what was a rounding above 1. A share is never rounded below 0."""

LEAST: Final = -PROBABILITY_SLACK_BELOW
MOST: Final = 1.0 + PROBABILITY_SLACK

ABOVE_TAKEN: Final = f"a rounding up to {MOST:g} is taken as 1"
BELOW_TAKEN: Final = f"one down to {LEAST:g} as 0"
PROBABILITY_WORDS: Final = f"numbers in [0, 1] ({ABOVE_TAKEN}, {BELOW_TAKEN})"
SUM_WORDS: Final = f"1 ({1.0 - PROBABILITY_SLACK:g} to {MOST:g} is taken)"
"""What would have been right, in the words of every reason: what is taken beside it is said too."""

GivenProbability = Annotated[float, Meta(ge=LEAST, le=MOST)]
"""A probability as a producer may send it; what lies beside [0, 1] is taken as the bound that it lies beside."""


def sums_to_one(total: float) -> bool:
    """Whether probabilities, each as it is taken, may sum to ``total``.

    >>> sums_to_one(0.98), sums_to_one(1.02), sums_to_one(0.97), sums_to_one(float("nan"))
    (True, True, False, False)
    """
    return 1.0 - PROBABILITY_SLACK <= total <= MOST


def bounded(given: float) -> float:
    """A ``GivenProbability`` in [0, 1]: a rounding beside it is taken as the bound that it lies beside.

    >>> bounded(1.0000001), bounded(-1e-7), bounded(0.5)
    (1.0, 0.0, 0.5)
    """
    return min(1.0, max(0.0, given))


def probabilities_of(given: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Numbers of any shape as probabilities in [0, 1], a rounding beside it as its bound; None where one is none.

    NaN, which stands for what is not given, stays NaN. Where nothing needs a correction it is ``given`` itself.

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
