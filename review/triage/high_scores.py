"""The high ones among many scores: so few that finding the threshold among them again and again is cheap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["HighScores"]

Scores = npt.NDArray[np.float64]


class HighScores:
    """Those of ``scores`` that are above ``floor``, in their order; ``first`` is where the first score stands."""

    def __init__(self, scores: Scores, first: int, floor: float) -> None:
        places = (scores > floor).nonzero()[0]
        self._scores = scores[places]
        self._places = places + first

    def between(self, start: int, stop: int) -> Scores:
        """The high scores that stand from ``start`` on, before ``stop``."""
        return self._scores[self._places.searchsorted(start) : self._places.searchsorted(stop)]
