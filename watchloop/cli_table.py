"""Options about a recorded table, the same for every command that reads one."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from watchloop.errors import WatchloopError
from watchloop.frozen import Replayable, recorded_answers, train_first
from watchloop.table import RecordedTable

__all__ = [
    "Confidence",
    "Drop",
    "Features",
    "File",
    "Prediction",
    "Probabilities",
    "Slices",
    "Time",
    "TrainFirst",
    "source_of",
    "split",
]

File = Annotated[pathlib.Path, typer.Argument(help="A table: .parquet, .csv, .jsonl or .arrow.")]
Time = Annotated[str | None, typer.Option(metavar="COL", help="Column of the time.")]
Features = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that are features, with commas.")]
Drop = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that are not.")]
Prediction = Annotated[str | None, typer.Option(metavar="COL", help="Column of the model's answer.")]
Confidence = Annotated[str | None, typer.Option(metavar="COL", help="Column of its confidence.")]
Probabilities = Annotated[
    str | None, typer.Option(metavar="A,B", help="Columns of its probabilities, named as the labels.")
]
TrainFirst = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Train a model on the first share, freeze it, replay the rest.")
]
Slices = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that name subgroups.")]


def split(names: str | None) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip()) if names else ()


def source_of(table: RecordedTable, *, model: str, share: float | None, seed: int) -> Replayable:
    """Whose predictions are replayed: recorded ones, or those of a model trained on the first ``share``."""
    if share is None:
        return recorded_answers(table, model=model)
    if not 0.0 < share < 1.0:
        raise WatchloopError(f"--train-first is {share:g}; expected a share between 0 and 1, like 0.2")
    if not table.labels:
        raise WatchloopError("--train-first needs --label: without true labels there is nothing to train on")
    return train_first(table, share=share, model=model, seed=seed)
