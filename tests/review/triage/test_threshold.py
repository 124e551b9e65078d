from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.triage.threshold import Bar, ScoreThreshold, bar_of


def wanted(threshold: ScoreThreshold, scores: np.ndarray) -> float:
    """The expected number of scores that would be reviewed."""
    equal = int((scores == threshold.value).sum())
    return float((scores > threshold.value).sum()) + threshold.tie_probability * equal


def remember(threshold: ScoreThreshold, scores: npt.NDArray[np.float64]) -> None:
    """As triage does it: one run, after which the threshold stays where it is."""
    threshold.follow(scores, np.ones(len(scores), np.bool_), [slice(0, len(scores))], 0.0, lambda run, bar: None)


@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.4001, 1.0]), min_size=1, max_size=60), share=st.floats(0, 1))
def test_exactly_the_share_is_wanted(scores: list[float], share: float) -> None:
    """Above the threshold, and by lot at it, the remembered scores give the share that was aimed at."""
    threshold = ScoreThreshold(100, start=0.4)
    remember(threshold, np.array(scores))
    threshold.aim(share)
    assert wanted(threshold, np.array(scores)) == pytest.approx(share * len(scores))


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 25), max_size=12))
def test_the_newest_scores_are_remembered(sizes: list[int]) -> None:
    """However scores come, the last ten count, oldest first, and another memory goes on from them the same."""
    threshold, seen = ScoreThreshold(10, start=0.4), np.zeros(0)
    for size in sizes:
        scores = np.arange(len(seen), len(seen) + size) / 1_000
        seen = np.concatenate([seen, scores])
        remember(threshold, scores)
    assert threshold.recent.newest.tolist() == seen[-10:].tolist()
    again = ScoreThreshold(10, start=0.4)
    again.recent = threshold.recent
    for memory in (threshold, again):
        remember(memory, np.array([2.0, 3.0]))
    assert again.known == threshold.known
    assert again.recent.newest.tolist() == threshold.recent.newest.tolist()


def test_nothing_and_everything() -> None:
    """A share of nothing wants no score at all, a full one every score, an empty memory none."""
    threshold = ScoreThreshold(10, start=0.4)
    threshold.aim(0.5)
    assert threshold.value == math.inf
    remember(threshold, np.array([0.5]))
    threshold.aim(-0.1)
    assert threshold.value == math.inf
    threshold.aim(1.0)
    assert threshold.value == -math.inf


@pytest.mark.parametrize(
    ("tie_probability", "scores", "is_wanted_at", "is_sure_at"),
    [
        (0.0, [0.4], False, False),
        (0.02, [0.4], False, False),
        (0.3, [0.4], True, False),
        (0.3, [0.5], False, False),
        (1.0, [0.4], True, True),
        (1.0, [0.5], True, True),
    ],
)
def test_what_is_asked_of_scores(
    tie_probability: float, scores: list[float], is_wanted_at: bool, is_sure_at: bool
) -> None:
    """Ties are wanted where there are any and their lot is better than the chance they have, for sure if none loses."""
    bar, above = bar_of(0.4, tie_probability, np.array(scores), 0.02), math.nextafter(0.4, 1.0)
    assert bar == (0.4 if is_wanted_at else above, 0.4 if is_sure_at else above, tie_probability)


def test_a_moment_kept_does_not_change() -> None:
    """What was remembered stays, whatever comes later, also after going back to an earlier moment."""
    threshold = ScoreThreshold(10, start=0.4)
    remember(threshold, np.array([0.1, 0.2]))
    early = threshold.recent
    remember(threshold, np.array([0.3]))
    late = threshold.recent
    threshold.recent = early
    for number in range(50):
        remember(threshold, np.full(3, number / 50))
    assert early.newest.tolist() == [0.1, 0.2]
    assert late.newest.tolist() == [0.1, 0.2, 0.3]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    drift=st.sampled_from([-0.5, 0.0, 0.5]),
    digits=st.sampled_from([1, 2, 9]),
    shares=st.lists(st.sampled_from([0.001, 0.02, 0.1, 0.3, 0.9]), min_size=1, max_size=3),
    runs_together=st.sampled_from([1, 8]),
)
def test_the_threshold_is_the_quantile_however_scores_move(
    seed: int, drift: float, digits: int, shares: list[float], runs_together: int
) -> None:
    """What was left out as too low is looked at again where scores fall or more are wanted, prepared for or not."""
    rng, threshold, seen = np.random.default_rng(seed), ScoreThreshold(500, start=0.4), np.zeros(0)
    share = 0.0

    def check() -> None:
        index = len(seen) - 1 - int(share * len(seen))
        assert threshold.value == np.sort(seen)[index]
        assert wanted(threshold, seen) == pytest.approx(share * len(seen))

    def spend(run: slice, _bar: Bar) -> float:
        """Each run finds the threshold as the run before left it."""
        nonlocal seen
        if run.start:
            check()
        seen = np.concatenate([seen, scores[run]])[-500:]
        return share

    for batch in range(6):
        share = shares[batch % len(shares)]
        drawn = np.round(rng.random(400) * 0.5 + 0.25 + drift * batch / 6, digits)
        for scores in np.split(drawn, 8 // runs_together):
            runs = [slice(start, start + 50) for start in range(0, len(scores), 50)]
            threshold.follow(scores, np.ones(len(scores), np.bool_), runs, 0.02, spend)
            check()
