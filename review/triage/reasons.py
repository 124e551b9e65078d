"""The reasons of a decision in words: why a person must see a prediction, or need not."""

from __future__ import annotations

import math
from itertools import starmap
from typing import Final

import numpy as np
import numpy.typing as npt

from review.triage.batch import Policy, TriageBatch
from review.triage.decisions import Floats, Reasons
from review.triage.runs import BatchOutcome

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


FIRST_SCORE: Final = 5
"""The code of the first reason that names a score: the fixed reasons come before."""
HUNDREDTHS: Final = (*(f"{number / 100:.2f}" for number in range(101)), "-0.00")
# Read as integers, floats from 0 up keep their order and -0.0 comes before them: index -1, the last text.
EDGES: Final = np.array([least_rounded_to(text) for text in HUNDREDTHS[:-1]]).view(np.int64)


def hundredths(scores: Floats) -> npt.NDArray[np.int64]:
    """The index in HUNDREDTHS of each score's text, shape (n,).

    >>> [HUNDREDTHS[index] for index in hundredths(np.array([0.004, 0.5, 0.996]))]
    ['0.00', '0.50', '1.00']
    """
    indexes = EDGES.searchsorted(scores.view(np.int64), "right") - 1
    return np.where(indexes < 0, len(HUNDREDTHS) - 1, indexes)


class TriageReasons:
    """Writes the reasons of a batch as codes of texts; each text is made once for all events that it fits."""

    def __init__(self, policy: Policy) -> None:
        settings = policy.settings
        self._rules = policy.rules
        self._risk = f"risk at least {settings.escalate_risk_min:g}"
        by_score = [(f"{STRATEGY_REASON[settings.strategy]} (score {text})",) for text in HUNDREDTHS]
        self._texts: tuple[Reasons, ...] = (ACCEPTED, OVER_BUDGET, DECIDED, WITHHELD, AUDITED, *by_score)

    def write(self, batch: TriageBatch, outcome: BatchOutcome) -> tuple[npt.NDArray[np.int32], tuple[Reasons, ...]]:
        """The code of every event's reasons, in the order of the batch, and the reasons that each code stands for."""
        codes = np.zeros(len(batch), np.int32)
        for code, indexes in enumerate(
            (outcome.over_budget, batch.decided.nonzero()[0], outcome.withheld, outcome.audited), start=1
        ):
            codes[indexes] = code
        ruled = batch.asked[outcome.reviewed]
        by_score = outcome.reviewed[~ruled]
        codes[by_score] = FIRST_SCORE + hundredths(batch.scores[by_score])
        by_rule = np.concatenate((outcome.reviewed[ruled], outcome.escalated))
        if not len(by_rule):
            return codes, self._texts
        code_of: dict[tuple[int, bool], int] = {}
        reached = zip(batch.matches[by_rule].tolist(), batch.risky[by_rule].tolist(), strict=True)
        codes[by_rule] = [code_of.setdefault(rules, len(self._texts) + len(code_of)) for rules in reached]
        return codes, (*self._texts, *starmap(self._of_rules, code_of))

    def _of_rules(self, matches: int, is_risky: bool) -> Reasons:
        """The reasons of events that a rule or their risk brings to a person."""
        texts = self._rules.texts(matches)
        return (self._risk, *texts) if is_risky else texts
