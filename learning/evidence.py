"""Two gates on one question: draws of the audit sample, and late labels."""

from __future__ import annotations

import math

import msgspec

from learning.gate import Gate
from learning.settings import LearnSettings

__all__ = ["Evidence"]


class Evidence:
    """The mean of two e-processes, each valid by itself, so that it is one whatever joins them (Vovk & Wang 2021).

    ``draws`` counts an event at the chance with which the audit sample drew it, ``labels`` counts every event that gets
    a label, at 1: what was reviewed before is neither left out nor counted more. In one gate the two would make events
    count twice that people were asked about, or not at all, and promote a challenger that is no better. Where labels
    come for some kinds of events only, the second speaks of those.
    """

    def __init__(self, settings: LearnSettings) -> None:
        self.draws = Gate(settings)
        self.labels = Gate(msgspec.structs.replace(settings, inclusion_probability_min=1.0))
        self.log_threshold = self.draws.log_threshold

    @property
    def corrections(self) -> int:
        """Answers and labels that were looked at."""
        return self.draws.corrections + self.labels.corrections

    @property
    def disagreements(self) -> int:
        """Those that told the two models apart."""
        return self.draws.disagreements + self.labels.disagreements

    @property
    def forfeited(self) -> int:
        """Draws below the least chance."""
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
