"""Features that may be the true label, where none is named: they have the predictions' values and agree with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas.wire.prediction import LABELS_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.label_texts import label_texts
from watchloop.recorded.cells.spellings import matched

__all__ = ["likely_labels"]

ROWS_MAX: Final = 20_000
ROWS_MIN: Final = 20
KAPPA_MIN: Final = 0.4
"""Agreement beyond chance (Cohen 1960) that a model and the truth should have, and two unlike columns have not."""


def likely_labels(features: Any, answers: Sequence[str]) -> list[str]:
    """The plain features (``plain_features``) that have no other values than the answers, and agree with them.

    >>> table = pa.table({"outcome": ["a", "b", "c"] * 20, "plan": ["a", "c", "b"] * 20, "age": range(60)})
    >>> likely_labels(table, ["a", "b", "c"] * 19 + ["b", "a", "c"])
    ['outcome']
    """
    if len(answers) < ROWS_MIN:
        return []
    rows = np.linspace(0, len(answers) - 1, min(len(answers), ROWS_MAX)).astype(np.int64)
    said = [answers[row] for row in rows.tolist()]
    spread = features.take(pa.array(rows))
    return [name for name in spread.column_names if _agree(spread.column(name), name, said)]


def _agree(column: Any, name: str, said: Sequence[str]) -> bool:
    texts = label_texts(column, name, "--features")
    known = {text for text in texts if text is not None}
    if not 1 < len(known) <= LABELS_MAX:
        return False
    try:
        rewritten = matched(known, set(said)).rewritten
    except WrongTable:
        return False
    found = [text if text is None else rewritten.get(text, text) for text in texts]
    return set(found) - {None} <= set(said) and _kappa(found, said) >= KAPPA_MIN


def _kappa(one: Sequence[str | None], other: Sequence[str]) -> float:
    size = len(other)
    agreed = sum(a == b for a, b in zip(one, other, strict=True)) / size
    first, second = Counter(one), Counter(other)
    by_chance = sum(first[text] * count for text, count in second.items()) / size**2
    return 0.0 if by_chance >= 1.0 else (agreed - by_chance) / (1.0 - by_chance)
