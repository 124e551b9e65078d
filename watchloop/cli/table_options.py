"""The options of every command that reads a recorded table, and how it is read and described."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import time
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from agents.settings import Settings
from streams.message_limits import prediction_bytes_max
from watchloop.errors import WatchloopError, WrongTable
from watchloop.recorded.columns import Columns
from watchloop.terminal.screen import print_error

if TYPE_CHECKING:
    from watchloop.recorded.replayable import Replayable

__all__ = [
    "Confidence",
    "Drop",
    "Features",
    "File",
    "NoTime",
    "Prediction",
    "Probabilities",
    "Slices",
    "Time",
    "TimeUnit",
    "TrainFirst",
    "print_roles",
    "source_of",
]

DIGEST_CHARS: Final = 8
"""Length of the digest in event ids, which keeps the tables of one model apart."""

File = Annotated[pathlib.Path, typer.Argument(help="A table: .parquet, .csv, .jsonl or .arrow.")]
Time = Annotated[
    str | None, typer.Option(metavar="COL", help="Column of the time.  [one called time or timestamp that holds times]")
]
TimeUnit = Annotated[
    Literal["s", "ms", "us", "ns", "min", "h", "d"] | None,
    typer.Option(
        metavar="UNIT",
        help="Unit of times that are numbers since 1970: s, ms, us, ns, min, h or d.  [guessed from their size]",
    ),
]
NoTime = Annotated[bool, typer.Option("--no-time", help="Take no column for the time.")]
Features = Annotated[
    str | None,
    typer.Option(metavar="A,B", help='Columns that are features, separated by commas; "A,B" in quotes is one name.'),
]
Drop = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that are no features.")]
Prediction = Annotated[str | None, typer.Option(metavar="COL", help="Column of the model's answer.")]
Confidence = Annotated[str | None, typer.Option(metavar="COL", help="Column of the model's confidence.")]
Probabilities = Annotated[
    str | None, typer.Option(metavar="A,B", help="Columns of the model's probabilities, named like the labels.")
]
TrainFirst = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Train a model on the first share, freeze it, replay the rest.")
]
Slices = Annotated[str | None, typer.Option(metavar="A,B", help="Columns whose values are subgroups.")]


def source_of(
    file: pathlib.Path,
    columns: Columns,
    settings: Settings,
    *,
    model: str,
    share: float | None,
    seed: int,
    is_sent: bool = False,
) -> Replayable:
    """The rows of a file with the predictions it has, or with those of a model trained on the first ``share``.

    Rows that are sent get event ids from the content of the file, its columns and ``share``: the same command sends the
    same events again, and another table makes other events. Raises WrongTable where INTAKE would reject a row.
    """
    from watchloop.recorded.checks.wire_check import check_rows
    from watchloop.recorded.replayable import recorded_answers
    from watchloop.recorded.table import RecordedTable
    from watchloop.recorded.training import train_first

    if share is not None and not 0.0 < share < 1.0:
        raise WatchloopError(f"--train-first is {share:g}; expected a share between 0 and 1, like 0.2")
    table = RecordedTable.load(file, columns)
    if share is not None and not table.labels:
        raise WatchloopError("--train-first needs --label: without true labels there is nothing to train on")
    try:
        if share is None:
            source = recorded_answers(table, model=model)
        else:
            source = train_first(table, share=share, model=model, seed=seed)
        if is_sent:
            source = dataclasses.replace(source, digest=_digest(file, repr((columns, share))))
        check_rows(
            source,
            now_ms=time.time_ns() // 1_000_000,
            future_ms_max=settings.worker.future_seconds_max * 1000,
            bytes_max=prediction_bytes_max(settings.kafka.message_bytes_max),
        )
    except WrongTable as error:
        raise WrongTable(f"{file}: {error}") from error
    return source


def _digest(file: pathlib.Path, options: str) -> str:
    with file.open("rb") as content:
        whole = hashlib.file_digest(content, "sha256")
    whole.update(options.encode())
    return whole.hexdigest()[:DIGEST_CHARS]


def print_roles(source: Replayable, *, is_sent: bool) -> None:
    """Print the roles of the columns on stderr, with the notes and warnings about them."""
    from watchloop.recorded.checks.roles import role_lines

    for line in role_lines(source, is_sent=is_sent):
        print_error(line)
