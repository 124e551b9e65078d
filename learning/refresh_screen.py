"""Whether what the stack has learned since may replace its copy in charge."""

from __future__ import annotations

import math

from learning.settings import LearnSettings

__all__ = ["RefreshScreen"]


class RefreshScreen:
    """Accuracy of the learning stack minus that of its serving copy on the corrections since the copy was made.

    Both answered before either learned the event. The mean is weighted by 1/π, capped at ``weight_max`` and normalised
    by the sum of weights (Hájek). A refresh is refused where the mean lies more than ``refresh_margin`` and one
    standard error below zero. It is a screen, not a test: the guard against production is the test.
    """

    def __init__(self, settings: LearnSettings) -> None:
        self._settings = settings
        self._weights = 0.0
        self._sum = 0.0
        self._squares = 0.0
        self._products = 0.0
        self._weight_squares = 0.0
        self._corrections = 0
        self._due_at = settings.refresh_corrections

    def update(self, learned_right: bool, served_right: bool, inclusion_probability: float) -> None:
        """Take one correction into account."""
        weight = 1.0 / max(inclusion_probability, 1.0 / self._settings.weight_max)
        difference = int(learned_right) - int(served_right)
        self._corrections += 1
        self._weights += weight
        self._weight_squares += weight * weight
        self._sum += weight * difference
        self._products += weight * weight * difference
        self._squares += weight * weight * difference * difference

    @property
    def due(self) -> bool:
        """Whether enough corrections have come to decide about a refresh."""
        return self._corrections >= self._due_at

    def postpone(self) -> None:
        """Decide again after ``refresh_corrections`` more corrections, over all of them."""
        self._due_at = self._corrections + self._settings.refresh_corrections

    @property
    def mean(self) -> float:
        """The weighted accuracy of the stack minus that of its copy in charge, in [-1, 1]; 0 before any correction."""
        return self._sum / self._weights if self._weights else 0.0

    @property
    def standard_error(self) -> float:
        """The standard error of ``mean`` (linearised); 0 before any correction."""
        if not self._weights:
            return 0.0
        mean = self.mean
        spread = self._squares - 2.0 * mean * self._products + mean * mean * self._weight_squares
        return math.sqrt(max(0.0, spread)) / self._weights

    @property
    def worse(self) -> bool:
        """Whether what was learned since seems worse than the copy in charge."""
        return self.mean < -(self._settings.refresh_margin + self.standard_error)

    @property
    def text(self) -> str:
        """Mean, standard error and number of corrections in words, for the gate's log."""
        return (
            f"accuracy of what was learned since, minus that of the version in charge: {self.mean:+.3f} "
            f"± {self.standard_error:.3f} over {self._corrections} corrections"
        )
