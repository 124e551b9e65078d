"""Checks a table's rows with the reader of live predictions, before any row is sent."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from schemas.codec import encode
from schemas.texts.labels import label_problem
from schemas.texts.visible import printable
from schemas.topics import PREDICTIONS
from schemas.wire.reject import Reject
from streams.predictions.message_reader import read_predictions
from watchloop.errors import WrongTable
from watchloop.recorded.words import quoted

if TYPE_CHECKING:
    from watchloop.recorded.replayable import Replayable

__all__ = ["check_rows"]

ROWS_AT_ONCE: Final = 2_000

_WHERE: Final = re.compile(r" - at `\$.*$", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class _Message:
    """A prediction as a message of Kafka, as ``read_predictions`` needs it."""

    data: bytes
    index: int
    now_ms: int

    def __len__(self) -> int:
        return len(self.data)

    def value(self) -> bytes | None:
        return self.data

    def key(self) -> bytes | None:
        return None

    def topic(self) -> str:
        return PREDICTIONS.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.index

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, self.now_ms


def check_rows(source: Replayable, *, now_ms: int, future_ms_max: int, bytes_max: int) -> None:
    """Raise WrongTable with the first row that INTAKE would reject, and why.

    ``now_ms`` (epoch) is the time of sending; no row may have a time more than ``future_ms_max`` after it.
    ``bytes_max`` limits the length of a prediction as JSON.
    """
    for start in range(0, len(source), ROWS_AT_ONCE):
        stop = min(len(source), start + ROWS_AT_ONCE)
        events = source.predictions(start, stop)
        records = [_Message(encode(event), index, now_ms) for index, event in enumerate(events, start)]
        read = read_predictions(records, "", now_ms=now_ms, future_ms_max=future_ms_max, bytes_max=bytes_max)
        if read.rejects:
            raise _wrong_row(source, min(read.rejects, key=lambda reject: reject.source_offset))
    _check_truths(source)


def _wrong_row(source: Replayable, reject: Reject) -> WrongTable:
    row = source.table.row_number(source.first + reject.source_offset)
    reason = _WHERE.sub("", reject.reason)
    return WrongTable(f"row {row}: {_column_of(source, reject.field)}would be rejected: {reason}")


def _column_of(source: Replayable, field: str) -> str:
    """The column that a field of a prediction was read from, as the beginning of a message."""
    columns = source.table.columns
    root, _, name = field.removeprefix("$.").partition(".")
    roles = {
        "prediction": columns.prediction,
        "confidence": columns.confidence,
        "time": columns.time,
        "features": name,
        "slices": name,
        "probabilities": name,
    }
    if root in ("event_id", "model"):
        return f"the model's name {quoted(source.model)} "
    column = roles.get(root)
    return f"column {quoted(column)} " if column else ""


def _check_truths(source: Replayable) -> None:
    """Raise WrongTable where a true label could not be sent: labels travel too, alone and in corrections."""
    wrong = {label: problem for label in set(source.truths) if (problem := label_problem(label)) is not None}
    if not wrong:
        return
    row, label = next((row, truth) for row, truth in enumerate(source.truths) if truth in wrong)
    raise WrongTable(
        f"row {source.table.row_number(source.first + row)}: column {quoted(source.table.columns.label)} (--label):"
        f" {printable(wrong[label])}"
    )
