"""What a table's columns are taken for, in words for whoever gave the command."""

from __future__ import annotations

from watchloop.frozen import Replayable
from watchloop.recorded.words import listed

__all__ = ["told"]


def told(source: Replayable, *, is_sent: bool) -> list[str]:
    """A line for the columns by role, one for times that are made up, and the notes of reading."""
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
    features = f"{many} feature{'s' if many > 1 else ''}: {listed(table.feature_names)}"
    lines = ["; ".join((features, *roles, f"predictions are {model}"))]
    if is_sent and columns.label is None:
        lines.append("no column is named as the true label (--label); if it is a feature, reviewers will see it")
    if table.made_up_times:
        lines.append(
            "no column is the time (--time): rows are sent in their order, each with the time at which it is sent"
            if is_sent
            else "no column is the time (--time): rows are replayed in their order, as if half an hour apart"
        )
    return [*lines, *source.notes]
