"""Without ``--label``, a warning names a feature that may be the true label, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from watchloop.recorded.checks.roles import role_lines

Read = Callable[..., Any]

SIZE = 400
DRAW = np.random.default_rng(5)
SAID = DRAW.random(SIZE) < 0.4
TRUTH = SAID ^ (DRAW.random(SIZE) < 0.15)


def lines(read: Read, column: Any, said: Any, **options: Any) -> str:
    columns = {"truth": column, "said": said, "code": DRAW.integers(0, 2, SIZE), "n": DRAW.integers(0, 9, SIZE)}
    return "\n".join(role_lines(read(columns, **{"label": None, **options}), is_sent=True))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (np.where(TRUTH, "leaves", "stays"), np.where(SAID, "leaves", "stays")),
        (TRUTH, SAID.astype(int)),
        (TRUTH.astype(float), np.where(SAID, "True", "False")),
        (np.where(TRUTH, " Yes", "No"), np.where(SAID, "yes", "no")),
    ],
    ids=["texts", "flags-and-numbers", "numbers-and-words", "spellings"],
)
def test_the_true_label_among_the_features_is_pointed_at(read: Read, column: Any, said: Any) -> None:
    """The warning comes whatever the spelling, and not if the column is named with --label or --drop."""
    assert "feature truth may be the true label" in lines(read, column, said)
    assert "may be the true label" not in lines(read, column, said, label="truth")
    assert "may be the true label" not in lines(read, column, said, drop=("truth",))


@pytest.mark.parametrize(
    "column",
    [DRAW.integers(0, 2, SIZE), DRAW.random(SIZE), np.ones(SIZE, int), np.where(TRUTH, "gold", "basic")],
    ids=["flag", "number", "constant", "other-values"],
)
def test_what_is_no_label_is_left_alone(read: Read, column: Any) -> None:
    """A flag without agreement, numbers, a constant and other values have no warning."""
    assert "may be the true label" not in lines(read, column, SAID.astype(int))


def test_many_features_are_shown_before_they_are_sent(read: Read) -> None:
    """The line of roles names up to forty features, and how many more there are."""
    few = "\n".join(role_lines(read({f"f{n}": [1, 2] for n in range(30)}, label=None), is_sent=True))
    assert "f29" in few
    many = role_lines(read({f"f{n}" * 10: [1, 2] for n in range(400)}, label=None), is_sent=True)
    assert "and 362 more" in many[0]
    assert max(map(len, many)) < 4_000
