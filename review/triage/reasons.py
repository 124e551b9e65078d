"""The reasons of a decision in words: why a person must see a prediction, or need not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from review.settings import TriageSettings
from review.triage.batch import TriageBatch
from review.triage.compiled_rules import CompiledRules
from review.triage.decisions import Floats, Reasons
from review.triage.runs import BatchOutcome, Indexes

__all__ = ["TriageReasons"]

ACCEPTED: Final[Reasons] = ("score below the review threshold",)
AUDITED: Final[Reasons] = ("audit sample: drawn at random to measure live accuracy",)
OVER_BUDGET: Final[Reasons] = ("worth a look, but the review budget is spent",)
DECIDED: Final[Reasons] = ("decided before",)
WITHHELD: Final[Reasons] = ("the producer gave no consent to review",)
STRATEGY_REASON: Final = {
    "catch": "probably wrong",
    "learn": "the model is unsure",
    "mix": "probably wrong, or the model is unsure",
}


def least_rounded_to(text: str) -> float:
    """The least number from 0 to 1 that is written as this text of two decimals."""
    least = max(0.0, float(text) - 0.005)
    while f"{least:.2f}" == text and least > 0.0:
        least = math.nextafter(least, -1.0)
    while f"{least:.2f}" != text:
        least = math.nextafter(least, 2.0)
    return least


HUNDREDTHS: Final = (*(f"{number / 100:.2f}" for number in range(101)), "-0.00")
# Read as integers, floats from 0 up keep their order and -0.0 comes before them: index -1, the last text.
EDGES: Final = np.array([least_rounded_to(text) for text in HUNDREDTHS[:-1]]).view(np.int64)


def hundredths(scores: Floats) -> list[int]:
    """The index in HUNDREDTHS of each score's text.

    >>> [HUNDREDTHS[index] for index in hundredths(np.array([0.004, 0.5, 0.996]))]
    ['0.00', '0.50', '1.00']
    """
    indexes: list[int] = (EDGES.searchsorted(scores.view(np.int64), "right") - 1).tolist()
    return indexes


class TriageReasons:
    """Writes the reasons of a batch; each text is made once and shared by all events that it fits."""

    def __init__(self, settings: TriageSettings, rules: CompiledRules) -> None:
        self._rules = rules
        self._risk = f"risk at least {settings.escalate_risk_min:g}"
        self._by_score = [(f"{STRATEGY_REASON[settings.strategy]} (score {text})",) for text in HUNDREDTHS]

    def write(self, batch: TriageBatch, outcome: BatchOutcome) -> list[Reasons]:
        """The reasons of every event, in the order of the batch."""
        reasons = [ACCEPTED] * len(batch)
        for indexes, shared in (
            (outcome.over_budget, OVER_BUDGET),
            (batch.decided.nonzero()[0], DECIDED),
            (outcome.withheld, WITHHELD),
            (outcome.audited, AUDITED),
        ):
            for index in indexes.tolist():
                reasons[index] = shared
        ruled = batch.asked[outcome.reviewed]
        by_score, texts_by_score = outcome.reviewed[~ruled], self._by_score
        for index, number in zip(by_score.tolist(), hundredths(batch.scores[by_score]), strict=True):
            reasons[index] = texts_by_score[number]
        for indexes in (outcome.reviewed[ruled], outcome.escalated):
            for index, texts in zip(indexes.tolist(), self._of_rules(batch, indexes), strict=True):
                reasons[index] = texts
        return reasons

    def _of_rules(self, batch: TriageBatch, indexes: Indexes) -> Iterator[Reasons]:
        """The reasons of events that a rule or their risk brings to a person."""
        for matches, is_risky in zip(batch.matches[indexes].tolist(), batch.risky[indexes].tolist(), strict=True):
            texts = self._rules.texts(matches)
            yield (self._risk, *texts) if is_risky else texts
