"""The gate: a sequential test of whether the challenger is better than the champion, from reviewed events only."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from learning.settings import LearnSettings

__all__ = ["Evidence", "Gate"]

FLOOR_SLACK = 1e-6
"""Relative slack on the least inclusion probability, for rounding on the way."""

FIRST_START_SHARE = 0.5
"""Prior weight of the evidence that runs since the gate began; later starts share the rest."""

CAPITAL_MAX = 1e250
"""Where the evidence of one bet stops growing; far beyond any threshold."""


class Gate:
    """An e-process for "the challenger is right more often than the champion".

    For an event let D = 1{challenger right} − 1{champion right}, both answered before either learned the event, q = 1
    if it was reviewed, and π its inclusion probability, fixed before anyone looked. With a constant bet λ = f·π_min the
    factor 1 + λ·q·D/π is never negative, is 1 for an event that nobody reviewed, and has mean 1 + λ·D over the coin of
    the review, whatever made π what it is. So only corrections need to be seen, and it does not matter which events
    were picked for review: unweighted, or with a bet that follows π, a hostile choice promotes anything.

    Null: at no time is there a start since which the challenger has been right on more of *all* reviewable events than
    the champion. Under it the evidence, a mixture over bets f and over starts (half on the first, the rest
    ∝ 1/(s(s + 1)) on the s-th fresh start, one every ``restart_corrections``), is an e-process, so by Ville's
    inequality it ever reaches 1/α with probability at most α. One gate decides once; a new one has an α of its own.

    Where both are right, or both wrong, D is 0 and so the factor 1, whatever π: ``floor`` need only bound π where the
    two answers differ, which is known when the event is drawn.

    A disagreement whose π lies below ``floor`` breaks what the bets rest on. It is left out, all capital at stake is
    forfeited, the floor falls to it (at least by half), and only later starts go on, with bets that fit it. An event
    that could not be reviewed at all (π = 0) is outside the question and left out.

    Sources: Choe & Ramdas, "Comparing Sequential Forecasters" (2021; Operations Research) for sequential comparison by
    e-processes; Shin, Ramdas & Rinaldo, "E-detectors" (NEJSDS 2023, doi 10.51387/23-nejsds51) for restarts;
    Horvitz & Thompson (1952) for weighting by 1/π.

    State is one number a bet: O(1) memory and time a correction.

    >>> gate = Gate(LearnSettings(alpha=0.05, inclusion_probability_min=0.5))
    >>> for _ in range(40):
    ...     gate.update(challenger_right=True, champion_right=False, inclusion_probability=0.5)
    >>> gate.passed, gate.disagreements
    (True, 40)
    """

    def __init__(self, settings: LearnSettings) -> None:
        self._fractions = np.array(settings.bet_fractions)
        self._restart_corrections = settings.restart_corrections
        self.floor = settings.inclusion_probability_min
        self.log_threshold = math.log(1.0 / settings.alpha)
        self._capital = np.full(len(self._fractions), FIRST_START_SHARE)
        self._starts = 0
        self.corrections = 0
        self.disagreements = 0
        self.forfeited = 0

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the e-value."""
        return math.log(float(self._capital.mean()) + self._unspent)

    @property
    def _unspent(self) -> float:
        """Prior weight of the starts still to come."""
        return (1.0 - FIRST_START_SHARE) / (self._starts + 1)

    @property
    def passed(self) -> bool:
        """Whether the evidence has reached 1/alpha."""
        return self.log_evidence >= self.log_threshold

    def update(self, challenger_right: bool, champion_right: bool, inclusion_probability: float) -> None:
        """Take one correction into account, in the order in which they are settled."""
        self.corrections += 1
        if self.corrections % self._restart_corrections == 0:
            self._start_afresh()
        difference = int(challenger_right) - int(champion_right)
        if inclusion_probability <= 0.0 or difference == 0:
            return
        if inclusion_probability < self.floor * (1.0 - FLOOR_SLACK):
            self._forfeit(inclusion_probability)
            return
        self.disagreements += 1
        bets = self._fractions * self.floor
        weight = min(1.0 / inclusion_probability, 1.0 / self.floor)
        self._capital = np.minimum(self._capital * (1.0 + bets * difference * weight), CAPITAL_MAX)

    def _start_afresh(self) -> None:
        self._starts += 1
        share = (1.0 - FIRST_START_SHARE) / (self._starts * (self._starts + 1))
        self._capital = self._capital + share

    def _forfeit(self, inclusion_probability: float) -> None:
        self.forfeited += 1
        self._capital = np.zeros_like(self._capital)
        self.floor = min(inclusion_probability, self.floor / 2.0)


class Evidence:
    """Two gates on one question: one looks at draws of the audit sample, the other at late labels.

    The evidence is the mean of two e-processes. Each is valid by itself, so their mean is one however they depend on
    each other (Vovk & Wang 2021).

    ``draws`` weights an event by the probability with which the audit sample drew it. ``labels`` counts every event
    that gets a label with weight 1, whether it was reviewed before or not. A single gate for both would count reviewed
    events twice, or not at all, and would promote a challenger that is no better. If labels come for some sorts of
    events only, ``labels`` is evidence about those.
    """

    def __init__(self, settings: LearnSettings) -> None:
        self.draws = Gate(settings)
        self.labels = Gate(msgspec.structs.replace(settings, inclusion_probability_min=1.0))
        self.log_threshold = self.draws.log_threshold

    @property
    def corrections(self) -> int:
        """Number of answers and labels taken into account."""
        return self.draws.corrections + self.labels.corrections

    @property
    def disagreements(self) -> int:
        """Number of them on which exactly one of the two models was right."""
        return self.draws.disagreements + self.labels.disagreements

    @property
    def forfeited(self) -> int:
        """Number of draws whose inclusion probability lay below the floor."""
        return self.draws.forfeited

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the e-value."""
        first, second = self.draws.log_evidence, self.labels.log_evidence
        top = max(first, second)
        return top + math.log((math.exp(first - top) + math.exp(second - top)) / 2.0)

    @property
    def passed(self) -> bool:
        """Whether the evidence has reached 1/alpha."""
        return self.log_evidence >= self.log_threshold
