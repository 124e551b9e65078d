"""The roles that a table's columns were given, as lines for the user, with warnings about roles that look wrong."""

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
from watchloop.recorded.checks.giveaways import giveaways, warnings_of
from watchloop.recorded.replayable import Replayable
from watchloop.recorded.words import listed

__all__ = ["likely_labels", "role_lines"]

NEVER_WRONG_ROWS_MIN: Final = 50
FEATURES_SHOWN_MAX: Final = 40

LIKELY_ROWS_MAX: Final = 20_000
LIKELY_ROWS_MIN: Final = 20
KAPPA_MIN: Final = 0.4
"""Agreement beyond chance (Cohen 1960) that a model has with the truth, and that unrelated columns do not have."""


def role_lines(source: Replayable, *, is_sent: bool) -> list[str]:
    """The columns by role in one line, then a line for each thing that is made up, suspicious, or noted by reading.

    ``is_sent`` says that the rows will be sent as live predictions, and not replayed in a backtest.
    """
    table = source.table
    columns = table.columns
    model = "trained on the first share" if source.first else "recorded"
    named = {
        "label": (columns.label,),
        "time": (columns.time,),
        "prediction": (columns.prediction,),
        "confidence": (columns.confidence,),
        "probabilities": columns.probabilities,
        "slices": columns.slices,
    }
    given = {role: [name for name in names if name is not None] for role, names in named.items()}
    roles = [f"{role}: {listed(names)}" for role, names in given.items() if names]
    many = len(table.feature_names)
    features = f"{many} feature{'s' if many > 1 else ''}: {listed(table.feature_names, most=FEATURES_SHOWN_MAX)}"
    lines = ["; ".join((features, *roles, f"predictions are {model}"))]
    if is_sent and columns.label is None:
        lines.append("no column is named as the true label (--label); if it is a feature, reviewers will see it")
    if table.made_up_times:
        lines.append(
            "no column is the time (--time): rows are sent in their order, each with the time at which it is sent"
            if is_sent
            else "no column is the time (--time): rows are replayed in their order, as if half an hour apart"
        )
    return [*lines, *source.notes, *_warnings(source)]


def likely_labels(features: Any, answers: Sequence[str]) -> list[str]:
    """Names of the plain features (``plain_features``) that may be the true label, where the user named none.

    Such a feature has no other values than the model's ``answers`` and agrees with them better than by chance.

    >>> table = pa.table({"outcome": ["a", "b", "c"] * 20, "plan": ["a", "c", "b"] * 20, "age": range(60)})
    >>> likely_labels(table, ["a", "b", "c"] * 19 + ["b", "a", "c"])
    ['outcome']
    """
    if len(answers) < LIKELY_ROWS_MIN:
        return []
    rows = np.linspace(0, len(answers) - 1, min(len(answers), LIKELY_ROWS_MAX)).astype(np.int64)
    taken = [answers[row] for row in rows.tolist()]
    spread = features.take(pa.array(rows))
    return [name for name in spread.column_names if _agree(spread.column(name), name, taken)]


def _warnings(source: Replayable) -> list[str]:
    """Warnings of what a model should not know: features that give away the true label, or a copy of it."""
    table, truths = source.table, source.truths
    features = table.rows.slice(source.first, len(source))
    if not truths:
        likely = likely_labels(features, source.answers)
        return [f"warning: feature {listed(likely)} may be the true label; name it with --label"] if likely else []
    is_recorded = source.first == 0
    lines = warnings_of(
        giveaways(
            features,
            truths,
            answers=source.answers if is_recorded else None,
            times_ms=None if table.made_up_times else table.times_ms[source.first : source.first + len(source)],
        )
    )
    if is_recorded and len(source) >= NEVER_WRONG_ROWS_MIN and truths == source.answers:
        lines.append("warning: the predictions are right in every row; are they a copy of the true label?")
    return lines


def _agree(column: Any, name: str, answers: Sequence[str]) -> bool:
    texts = label_texts(column, name, "--features")
    known = {text for text in texts if text is not None}
    if not 1 < len(known) <= LABELS_MAX:
        return False
    try:
        rewritten = matched(known, set(answers)).rewritten
    except WrongTable:
        return False
    labels = [text if text is None else rewritten.get(text, text) for text in texts]
    return set(labels) - {None} <= set(answers) and _kappa(labels, answers) >= KAPPA_MIN


def _kappa(labels: Sequence[str | None], answers: Sequence[str]) -> float:
    size = len(answers)
    agreed = sum(a == b for a, b in zip(labels, answers, strict=True)) / size
    first, second = Counter(labels), Counter(answers)
    by_chance = sum(first[text] * count for text, count in second.items()) / size**2
    return 0.0 if by_chance >= 1.0 else (agreed - by_chance) / (1.0 - by_chance)
