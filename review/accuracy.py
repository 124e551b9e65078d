"""Live accuracy from reviewed events, without bias and valid at every look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from review.settings import AccuracySettings

__all__ = ["AccuracyEstimate", "AccuracySums", "SliceAccuracy"]

RESIDUAL_VARIANCE: Final = 0.2
"""The mean of (O − g)² that the interval is tuned for: about that of a model which is right four times in five, if the
guess knows little. It changes the width of the interval, never its coverage."""

KNOWN_SHARE_MIN: Final = 0.9
"""If at least this share of the events was answered, an interval is given without any random draws: the events without
an answer can move the accuracy by no more than their own share."""


class AccuracySums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over events that were counted elsewhere, in the symbols of ``AccuracyEstimate``, for an interval."""

    events: int = 0
    """Reviewable events."""
    audit_hits: int = 0
    """Events that were drawn with a probability below 1, and answered."""
    answered: int = 0
    """Events that were answered, whatever their inclusion probability."""
    right: int = 0
    """Answered events on which the model was right."""
    total: float = 0.0
    """Σ g + q(O − g)/π."""
    variance: float = 0.0
    """Σ q(1 − π)(O − g)²/π²."""
    lost: float = 0.0
    """What ``total`` loses if the model was wrong on all drawn events without an answer."""
    gained: float = 0.0
    """What ``total`` gains if the model was right on all of them."""
    unanswered_variance: float = 0.0
    """The most that their answers can add to ``variance``: Σ (1 − π)(max(g, 1 − g)/π)²."""


class AccuracyEstimate:
    """The share of a model's answers that were right so far, estimated from the few that people saw. O(1) memory.

    With g a guess of P(right) made before the answer was known, O whether it was right (1/0), q whether it was reviewed
    and π the inclusion probability, each reviewable event adds g + q(O − g)/π: the difference estimator (Särndal,
    Swensson & Wretman 1992; "prediction-powered" in Angelopoulos et al. 2023). Only the draws of the audit sample are
    random, so the target is the realised accuracy of the events so far, whatever drifts (design-based confidence
    sequences, Ham et al. 2022). The interval holds at every look and is given from ``audit_hits_min`` reviewed random
    draws on: it is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024) with
    V = Σ q(1 − π)(O − g)²/π².

    If nearly all events were answered (``KNOWN_SHARE_MIN``), the interval is cut to what is certain: from the accuracy
    if the model was wrong on all others to the accuracy if it was right on them. Before there are enough random draws
    that is the interval itself; if all events were answered, it is the accuracy.

    A drawn event without an answer counts in the estimate with its guess. The interval allows for both outcomes,
    whatever kept people from answering: at its low end all such events are wrong, at its high end all are right.

    >>> estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.02)
    >>> for is_right in (True, True, False, True):
    ...     estimate.update(0.5, 1.0, reviewed=True, correct=is_right)
    >>> estimate.interval()
    (0.75, 0.75, 0.75)
    """

    def __init__(
        self,
        settings: AccuracySettings,
        *,
        inclusion_probability_min: float,
        sums: AccuracySums | None = None,
    ) -> None:
        """Begin without events, or with ``sums`` of events that were counted elsewhere.

        ``inclusion_probability_min`` is the least π of any reviewable event, above 0 and at most 1; else ValueError.
        """
        if not 0.0 < inclusion_probability_min <= 1.0:
            raise ValueError(
                f"inclusion_probability_min is {inclusion_probability_min:g}; expected a number above 0, at most 1"
            )
        self._settings = settings
        self._least = inclusion_probability_min
        kept = sums or AccuracySums()
        self.events, self.audit_hits = kept.events, kept.audit_hits
        self.answered, self.right = kept.answered, kept.right
        self.unanswered = 0
        """Drawn events without an answer."""
        self._total, self._variance = kept.total, kept.variance
        self._lost, self._gained, self._open_variance = kept.lost, kept.gained, kept.unanswered_variance

    def update(
        self, guess: float, inclusion_probability: float, *, reviewed: bool, correct: bool | None = None
    ) -> None:
        """Count one event, by the guess of P(right) made beforehand, its π, and whether it was drawn (``reviewed``).

        ``correct`` says whether the model was right. It is None for a drawn event without an answer, which ``answer``
        gives later. An event with π = 0 (no consent to review) does not belong to the estimated share and is ignored.
        ValueError if π is below ``inclusion_probability_min`` or a number is not a probability.
        """
        if inclusion_probability == 0.0 and not reviewed:
            return
        if not 0.0 <= guess <= 1.0:
            raise ValueError(f"guess is {guess:g}; expected a probability from 0 to 1")
        if not self._least * (1.0 - 1e-9) <= inclusion_probability <= 1.0:
            raise ValueError(f"inclusion_probability is {inclusion_probability:g}; expected {self._least:g} to 1")
        self.events += 1
        self._total += guess
        if reviewed:
            self.unanswered += 1
            self._wait(guess, inclusion_probability, 1.0)
            if correct is not None:
                self.answer(guess, inclusion_probability, correct=correct)

    def answer(self, guess: float, inclusion_probability: float, *, correct: bool) -> None:
        """Add the answer to a drawn event that was counted without one; guess and π must be the same as then."""
        if self.unanswered < 1:
            raise ValueError("no drawn event waits for its answer; call update with reviewed=True first")
        self.unanswered -= 1
        self._wait(guess, inclusion_probability, -1.0)
        self.answered += 1
        self.right += correct
        residual = float(correct) - guess
        self._total += residual / inclusion_probability
        if inclusion_probability < 1.0:
            scaled = (residual / inclusion_probability) ** 2
            self.audit_hits += 1
            self._variance += (1.0 - inclusion_probability) * scaled

    def interval(self) -> tuple[float, float, float] | None:
        """Estimate, low and high, within [0, 1].

        None before ``audit_hits_min`` reviewed random draws, unless ``KNOWN_SHARE_MIN`` of the events were answered.
        """
        has_draws = self.audit_hits >= self._settings.audit_hits_min
        is_known = self.answered >= KNOWN_SHARE_MIN * self.events
        if self.events == 0 or not (has_draws or is_known):
            return None
        least, most = 0.0, 1.0
        if is_known:
            least, most = self.right / self.events, (self.right + self.events - self.answered) / self.events
        mean = self._total / self.events
        low, high = least, most
        if has_draws:
            radius = self._radius()
            low = within(least, mean - radius - self._lost / self.events, most)
            high = within(least, mean + radius + self._gained / self.events, most)
        return within(least, mean, most), low, high

    def _wait(self, guess: float, inclusion_probability: float, sign: float) -> None:
        """Add a drawn event without an answer to the bounds (``sign`` 1.0), or take it out again (-1.0)."""
        if self.unanswered == 0:  # so that no rounding error stays
            self._lost = self._gained = self._open_variance = 0.0
            return
        self._lost += sign * guess / inclusion_probability
        self._gained += sign * (1.0 - guess) / inclusion_probability
        if inclusion_probability < 1.0:
            scaled = (max(guess, 1.0 - guess) / inclusion_probability) ** 2
            self._open_variance += sign * (1.0 - inclusion_probability) * scaled

    def _radius(self) -> float:
        alpha = self._settings.alpha
        tuned_variance = self._settings.tuned_audit_hits * RESIDUAL_VARIANCE / self._least**2
        rho_squared = (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / tuned_variance
        inner = (self._variance + self._open_variance) * rho_squared + 1.0
        return math.sqrt(inner / rho_squared * math.log(inner / alpha**2)) / self.events


class SliceAccuracy:
    """One estimate for each of the first ``slices_max`` slices; later slices have none."""

    def __init__(self, settings: AccuracySettings, *, inclusion_probability_min: float) -> None:
        self._settings = settings
        self._least = inclusion_probability_min
        self._slices: dict[str, AccuracyEstimate] = {}

    def __iter__(self) -> Iterator[tuple[str, AccuracyEstimate]]:
        return iter(sorted(self._slices.items()))

    def update(
        self,
        slices: Mapping[str, str],
        guess: float,
        inclusion_probability: float,
        *,
        reviewed: bool,
        correct: bool | None = None,
    ) -> None:
        """Count one event in each of its slices, named ``region=EU``; see AccuracyEstimate.update."""
        for name, value in slices.items():
            estimate = self.of(f"{name}={value}")
            if estimate is not None:
                estimate.update(guess, inclusion_probability, reviewed=reviewed, correct=correct)

    def answer(self, slices: Mapping[str, str], guess: float, inclusion_probability: float, *, correct: bool) -> None:
        """Add a late answer in each slice that counted the event; see AccuracyEstimate.answer."""
        for name, value in slices.items():
            estimate = self._slices.get(f"{name}={value}")
            if estimate is not None:
                estimate.answer(guess, inclusion_probability, correct=correct)

    def of(self, slice_name: str) -> AccuracyEstimate | None:
        """The estimate of a slice, created at the first use; None past the limit."""
        estimate = self._slices.get(slice_name)
        if estimate is None and len(self._slices) < self._settings.slices_max:
            estimate = AccuracyEstimate(self._settings, inclusion_probability_min=self._least)
            self._slices[slice_name] = estimate
        return estimate


def within(least: float, share: float, most: float) -> float:
    """``share``, cut to the bounds.

    >>> within(0.2, 0.9, 0.8)
    0.8
    """
    return min(most, max(least, share))
