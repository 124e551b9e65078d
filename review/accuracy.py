"""Live accuracy from reviewed events, without bias and valid at every look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from review.settings import AccuracySettings

__all__ = ["AccuracyEstimate", "AccuracySums", "SliceAccuracy"]

RESIDUAL_VARIANCE: Final = 0.2
"""Mean squared distance of right/wrong from its guess that the interval is tuned for; a model that is right four times
in five, with a guess that knows little, has about this. It moves the width, never the coverage."""

KNOWN_SHARE_MIN: Final = 0.9
"""Share of the events that were answered from which their accuracy is said whatever was drawn: what the others may turn
out to be moves it by the rest at most."""


class AccuracySums(msgspec.Struct, frozen=True, kw_only=True):
    """What an interval is made of, by the symbols of ``AccuracyEstimate``: sums over events counted elsewhere."""

    events: int = 0
    """Reviewable events."""
    audit_hits: int = 0
    """Events that were drawn with a chance below 1, and answered."""
    answered: int = 0
    """Events that were answered, whatever their chance was."""
    right: int = 0
    """Those of them on which the model was right."""
    total: float = 0.0
    """Σ g + q(O − g)/π."""
    variance: float = 0.0
    """Σ q(1 − π)(O − g)²/π²."""
    lost: float = 0.0
    """What the total loses if all drawn events that nobody has answered were wrong."""
    gained: float = 0.0
    """What it gains if they were all right."""
    unanswered_variance: float = 0.0
    """What their answers add to ``variance`` at most: Σ (1 − π)(max(g, 1 − g)/π)²."""


class AccuracyEstimate:
    """Share of a model's answers that were right so far, from the few that people looked at. O(1) memory.

    With g a guess of P(right) made before the answer was known, O whether it was right (1/0), q whether it was reviewed
    and π the inclusion probability, each reviewable event adds g + q(O − g)/π: the difference estimator (Särndal,
    Swensson & Wretman 1992; "prediction-powered" in Angelopoulos et al. 2023). Only the coin of the audit is random, so
    the target is the realised accuracy of the events so far, whatever drifts (design-based confidence sequences, Ham et
    al. 2022). The interval holds at every look, and is given from ``audit_hits_min`` reviewed random draws on: it is
    the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024) with
    V = Σ q(1 − π)(O − g)²/π².

    Where nearly all events were answered (``KNOWN_SHARE_MIN``), it is no wider than what is known without any chance:
    the accuracy if the model was wrong, or right, on the rest. That is the interval before there are enough random
    draws; where all was answered, it is the accuracy itself.

    A drawn event whose answer is not there (yet) counts in the estimate as its guess says. In the interval it may turn
    out either way, whatever kept people from answering: all are wrong for the low end, and right for the high one.
    """

    def __init__(
        self,
        settings: AccuracySettings,
        *,
        inclusion_probability_min: float,
        sums: AccuracySums | None = None,
    ) -> None:
        """``inclusion_probability_min``: the least π of any reviewable event, from 0 (exclusive) to 1.

        ``sums`` are those of events that were counted elsewhere, for their interval; none is counted to them here.
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
        """Drawn events that nobody has answered (yet)."""
        self._total, self._variance = kept.total, kept.variance
        self._lost, self._gained, self._open_variance = kept.lost, kept.gained, kept.unanswered_variance

    def update(
        self, guess: float, inclusion_probability: float, *, reviewed: bool, correct: bool | None = None
    ) -> None:
        """Count one event: ``guess`` of P(right) made beforehand, its π, whether it was drawn and whether it was right.

        ``correct`` None for a drawn event: nobody has answered (yet); ``answer`` makes up for it. An event with π = 0
        (no consent to review) is no part of the estimand. ValueError where π is below ``inclusion_probability_min`` or
        a number is not a probability.
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
        """The answer to a drawn event that was counted before without one; the same guess and π as then."""
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
        """Estimate, low and high, within [0, 1]; None before ``audit_hits_min`` reviewed random draws.

        Without these too where ``KNOWN_SHARE_MIN`` of the events were answered.
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
        """A drawn event begins to wait for its answer (1.0), or has it (-1.0)."""
        if self.unanswered == 0:  # nothing of what was added and taken away again may stay
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
    """One estimate a slice; slices past ``slices_max`` have none."""

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
        """A late answer, in each slice that counted the event; see AccuracyEstimate.answer."""
        for name, value in slices.items():
            estimate = self._slices.get(f"{name}={value}")
            if estimate is not None:
                estimate.answer(guess, inclusion_probability, correct=correct)

    def of(self, slice_name: str) -> AccuracyEstimate | None:
        """The estimate of a slice, made when it is first asked for; None past the limit."""
        estimate = self._slices.get(slice_name)
        if estimate is None and len(self._slices) < self._settings.slices_max:
            estimate = AccuracyEstimate(self._settings, inclusion_probability_min=self._least)
            self._slices[slice_name] = estimate
        return estimate


def within(least: float, share: float, most: float) -> float:
    """``share``, or the bound that it is beyond."""
    return min(most, max(least, share))
