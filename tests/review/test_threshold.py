from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.threshold import ScoreThreshold


def wanted(threshold: ScoreThreshold, scores: np.ndarray) -> float:
    """The expected number of scores that would be reviewed."""
    equal = int((scores == threshold.value).sum())
    return float((scores > threshold.value).sum()) + threshold.tie_probability * equal


@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.4001, 1.0]), min_size=1, max_size=60), share=st.floats(0, 1))
def test_exactly_the_share_is_wanted(scores: list[float], share: float) -> None:
    """Above the threshold, and by lot at it, the remembered scores give the share that was aimed at."""
    threshold = ScoreThreshold(100, start=0.4)
    threshold.add(np.array(scores))
    threshold.aim(share)
    assert wanted(threshold, np.array(scores)) == pytest.approx(share * len(scores))


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 25), max_size=12))
def test_the_newest_scores_are_remembered(sizes: list[int]) -> None:
    """However scores come, the last ten count, and a saved memory goes on the same."""
    threshold, seen = ScoreThreshold(10, start=0.4), np.zeros(0)
    for size in sizes:
        scores = np.arange(len(seen), len(seen) + size) / 1_000
        seen = np.concatenate([seen, scores])
        threshold.add(scores)
    assert sorted(np.frombuffer(threshold.dump(), "<f8")) == seen[-10:].tolist()
    again = ScoreThreshold(10, start=0.4)
    again.load(threshold.dump(), threshold.known)
    for one in (threshold, again):
        one.add(np.array([2.0, 3.0]))
    assert again.dump() == threshold.dump()


def test_nothing_and_everything() -> None:
    """A share of nothing wants no score at all, a full one every score, an empty memory none."""
    threshold = ScoreThreshold(10, start=0.4)
    threshold.aim(0.5)
    assert threshold.value == math.inf
    threshold.add(np.array([0.5]))
    threshold.aim(-0.1)
    assert threshold.value == math.inf
    threshold.aim(1.0)
    assert threshold.value == -math.inf
