"""What counts as a probability: producers round, and a rounding is no mistake.

One rule for every way in: JSON, Arrow, recorded tables, and the producer's own check.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

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
