"""What a table's columns are taken for, in words for whoever gave the command."""

from __future__ import annotations

from typing import Final

from watchloop.recorded.checks.giveaways import giveaways, warnings_of
from watchloop.recorded.checks.likely_labels import likely_labels
from watchloop.recorded.replayable import Replayable
from watchloop.recorded.words import listed

__all__ = ["told"]

NEVER_WRONG_ROWS_MIN: Final = 50
FEATURES_SHOWN_MAX: Final = 40


def told(source: Replayable, *, is_sent: bool) -> list[str]:
    """A line for the columns by role, one for times that are made up, warnings, and the notes of reading."""
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


def _warnings(source: Replayable) -> list[str]:
    """What a model should not have known: features that tell the true label, and predictions that are never wrong."""
    table, truths = source.table, source.truths
    features = table.rows.slice(source.first, len(source))
    if not truths:
        likely = likely_labels(features, source.answers)
        return [f"warning: feature {listed(likely)} may be the true label; name it with --label"] if likely else []
    is_recorded = source.first == 0
    found = giveaways(
        features,
        truths,
        answers=source.answers if is_recorded else None,
        times_ms=None if table.made_up_times else table.times_ms[source.first : source.first + len(source)],
    )
    lines = warnings_of(found)
    if is_recorded and len(source) >= NEVER_WRONG_ROWS_MIN and truths == source.answers:
        lines.append("warning: the predictions are right in every row; are they a copy of the true label?")
    return lines
