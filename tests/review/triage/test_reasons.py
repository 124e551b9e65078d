from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from review.triage.reasons import HUNDREDTHS, hundredths

BETWEEN = [(number + 0.5) / 100 for number in range(100)]
TRICKY = [nearby for half in BETWEEN for nearby in (math.nextafter(half, 0), half, math.nextafter(half, 1))]


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_a_score_reads_as_if_it_were_formatted(scores: list[float]) -> None:
    """Texts taken from the table are those that formatting gives, also next to where they change, and for -0.0."""
    given_scores = [*scores, *TRICKY, 0.0, -0.0, 5e-324, 1.0]
    texts = [HUNDREDTHS[index] for index in hundredths(np.array(given_scores))]
    assert texts == [f"{score:.2f}" for score in given_scores]
