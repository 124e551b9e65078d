"""The score of a backtest does not depend on the order of rows."""

from __future__ import annotations

import numpy as np
import pytest

from watchloop.backtest.score import Score


def score_of(right: list[bool], seen: int) -> Score:
    score = Score(len(right))
    answers = ["yes" if is_right else "no" for is_right in right]
    score.add(["yes"] * len(right), answers, answers, np.arange(len(right)) < seen)
    return score


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_does_not_decide_which_of_the_equally_confident_are_caught(seed: int) -> None:
    """Four of ten reviews are certain; the other six find two of the five errors among fifteen rows, on average."""
    confidences = np.array([0.1] * 4 + [0.5] * 15 + [0.9] * 20)
    right = np.array([False, True, True, True] + [False] * 5 + [True] * 10 + [False] * 20)
    order = np.random.default_rng(seed).permutation(len(right))
    score = score_of(right[order].tolist(), seen=10)
    assert score.caught_by_confidence(confidences[order].tolist()) == 1 + 2


@pytest.mark.parametrize("seen", [0, 1, 7, 40])
def test_any_number_of_reviews_is_counted(seen: int) -> None:
    """For no, one and all reviews: with equal confidences, the share of errors caught is the share of reviews."""
    score = score_of([index % 4 != 0 for index in range(40)], seen)
    assert score.caught_by_confidence([0.8] * 40) == round(seen / 4)
