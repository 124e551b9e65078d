"""Verdicts out of Arrow: a table is checked a column at a time, and becomes columns, Structs, or the ids of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, get_args

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns.coded import Coded
from schemas.columns.verdict_columns import DEFAULTS, TYPES, VERDICTS_PER_STREAM_MAX, repeated
from schemas.json_text.errors import MalformedError
from schemas.wire.base import EPOCH_MS_MAX, NAME_CHARS_MAX
from schemas.wire.verdict import Decision, Verdict

__all__ = ["VerdictRows", "checked_verdicts", "events_of", "structs_of"]

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

TEXTS: Final = frozenset({"event_id", "task_id"})
IDS: Final = frozenset({"event_id", "model"})
NUMBERS: Final = {
    "time": (0, EPOCH_MS_MAX),
    "decided_at": (0, EPOCH_MS_MAX),
    "uncertainty": (0.0, 1.0),
    "inclusion_probability": (0.0, 1.0),
    "error_probability": (0.0, 1.0),
}
"""The bounds of each number, both included."""

REASONS_MAX: Final = 1_000_000
"""Reasons of all verdicts of a message."""

DECISIONS: Final = pa.array(get_args(Decision), pa.string())
TYPE_CHARS_MAX: Final = 100


@dataclasses.dataclass(frozen=True, slots=True)
class VerdictRows:
    """The verdicts of a message: a pyarrow.RecordBatch as VERDICT_SCHEMA has it, without the rows that are ``wrong``.

    ``indexes`` are the numbers of its rows in the message, shape (n,); ``wrong`` maps those of the other rows to what
    is wrong with them. ``all_rows`` is the batch with these.
    """

    batch: Any
    indexes: Ints
    wrong: Mapping[int, MalformedError]
    all_rows: Any


def checked_verdicts(table: Any) -> VerdictRows:
    """The verdicts of a pyarrow.Table that ``validate(full=True)`` accepts.

    Raises MalformedError if a column has another type than in VERDICT_SCHEMA, one without a default is missing, or
    there is more than one record batch.
    """
    batch = _batch_of(table)
    is_wrong = np.zeros(batch.num_rows, np.bool_)
    for name, column in zip(TYPES, batch.columns, strict=True):
        is_wrong |= _wrong(name, column)
    indexes = np.flatnonzero(~is_wrong)
    if len(indexes) == batch.num_rows:
        return VerdictRows(batch, indexes, {}, batch)
    wrong = {int(index): _error(batch, int(index)) for index in np.flatnonzero(is_wrong)}
    return VerdictRows(batch.take(pa.array(indexes)), indexes, wrong, batch)


def structs_of(batch: Any) -> list[Verdict]:
    """The rows of a checked batch as Structs, in order."""
    return [Verdict(**dict(zip(TYPES, row, strict=True))) for row in zip(*map(_values, batch.columns), strict=True)]


def events_of(batch: Any) -> tuple[Any, Coded[str]]:
    """Which events the rows of a checked batch are about: their ids, a pyarrow array of strings, and their models."""
    models = batch.column("model")
    # Wrong rows are gone, but what they named is in the dictionary still, and may be null.
    return batch.column("event_id"), Coded(_codes(models), models.dictionary.fill_null("").to_pylist())


def _batch_of(table: Any) -> Any:
    """The columns of VERDICT_SCHEMA, in its order; defaults stand for those that are missing."""
    batches = table.to_batches()
    if len(batches) > 1:
        raise MalformedError(f"{len(batches)} record batches; expected one with all verdicts of the message")
    if table.num_rows > VERDICTS_PER_STREAM_MAX:
        raise MalformedError(f"{table.num_rows} verdicts; an Arrow message may have {VERDICTS_PER_STREAM_MAX}")
    names = table.schema.names
    arrays = []
    for name, arrow_type in TYPES.items():
        count = names.count(name)
        if count > 1:
            raise MalformedError(f"{count} columns `{name}`; expected one - at `$.{name}`")
        if count:
            arrays.append(_column(table, name, arrow_type))
        elif name in DEFAULTS:
            arrays.append(repeated(DEFAULTS[name], arrow_type, table.num_rows))
        else:
            raise MalformedError(f"no column `{name}`; expected {arrow_type} - at `$.{name}`")
    batch = pa.RecordBatch.from_arrays(arrays, names=list(TYPES))
    reasons = len(batch.column("reasons").values)
    if reasons > REASONS_MAX:
        raise MalformedError(f"{reasons} reasons; an Arrow message may have {REASONS_MAX} - at `$.reasons`")
    return batch


def _column(table: Any, name: str, arrow_type: Any) -> Any:
    column = table.column(name)
    if column.type != arrow_type and not _is_alike(column.type, arrow_type):
        given = str(column.type)[:TYPE_CHARS_MAX]
        raise MalformedError(f"a column of {given}; expected {arrow_type} - at `$.{name}`")
    return column.chunk(0) if column.num_chunks else pa.array([], arrow_type)


def _is_alike(given: Any, wanted: Any) -> bool:
    """Whether both are lists of the same: the name of their item, and whether it may be null, are not looked at."""
    return bool(pa.types.is_list(given) and pa.types.is_list(wanted) and given.value_type == wanted.value_type)


def _wrong(name: str, column: Any) -> Flags:
    """Where a value may not be in this field, shape (n,)."""
    if name in NUMBERS:
        return _wrong_numbers(column, *NUMBERS[name], may_lack=name == "error_probability")
    if name == "reasons":
        return _wrong_lists(column)
    if pa.types.is_dictionary(column.type):
        return _wrong_coded(name, column)
    return _nulls(column) | _wrong_texts(name, column) if name in TEXTS else _nulls(column)


def _wrong_coded(name: str, column: Any) -> Flags:
    if not len(column.dictionary):
        return np.ones(len(column), np.bool_)
    wrong, wrong_texts = _nulls(column), _wrong_texts(name, column.dictionary)
    if wrong_texts.any():
        wrong |= wrong_texts[_codes(column)]
    return wrong


def _wrong_texts(name: str, texts: Any) -> Flags:
    wrong = _nulls(texts)
    if name == "decision":
        return wrong | ~_flags(pc.is_in(texts, DECISIONS))
    if name == "reasons":
        return wrong
    lengths = pc.utf8_length(texts)
    sizes = (lengths.fill_null(1) if texts.null_count else lengths).to_numpy()
    flags: Flags = wrong | (sizes > NAME_CHARS_MAX) | ((sizes == 0) if name in IDS else False)
    return flags


def _wrong_numbers(column: Any, least: float, most: float, *, may_lack: bool) -> Flags:
    numbers = column.fill_null(least).to_numpy() if column.null_count else column.to_numpy()
    wrong: Flags = ~((numbers >= least) & (numbers <= most))
    return wrong & ~np.isnan(numbers) if may_lack else wrong | _nulls(column)


def _wrong_lists(column: Any) -> Flags:
    """Where a list is null, or has a text that may not be there."""
    offsets, values = column.offsets.to_numpy(), column.values
    before = np.concatenate([[0], np.cumsum(_wrong_coded("reasons", values))])
    flags: Flags = _nulls(column) | (before[offsets[1:]] > before[offsets[:-1]])
    return flags


def _error(batch: Any, index: int) -> MalformedError:
    """What is wrong with a row."""
    row = batch.slice(index, 1).to_pylist()[0]
    try:
        msgspec.convert(row, Verdict)
    except msgspec.ValidationError as error:
        return MalformedError(str(error))
    name = next(name for name in NUMBERS if row.get(name) != row.get(name))
    return MalformedError(f"NaN; expected a number - at `$.{name}`")


def _values(column: Any) -> list[Any]:
    """The values of a column of a checked batch; equal texts are one object. NumPy is faster than ``to_pylist``."""
    if pa.types.is_list(column.type):
        return _tuples(column.offsets.to_numpy(), _values(column.values))
    if pa.types.is_dictionary(column.type):
        return list(map(column.dictionary.to_pylist().__getitem__, _codes(column).tolist()))
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()  # null becomes NaN
    if column.type == pa.float64():
        return [None if value != value else value for value in values]
    return values


def _tuples(offsets: Ints, values: list[Any]) -> list[tuple[Any, ...]]:
    """Lists as tuples; rows with the same texts share one."""
    tuples: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    lists = (tuple(values[begin:end]) for begin, end in pairwise(offsets.tolist()))
    return [tuples.setdefault(of_row, of_row) for of_row in lists]


def _codes(column: Any) -> npt.NDArray[Any]:
    indices = column.indices
    codes: npt.NDArray[Any] = (indices.fill_null(0) if indices.null_count else indices).to_numpy()
    return codes


def _nulls(column: Any) -> Flags:
    return _flags(column.is_null()) if column.null_count else np.zeros(len(column), np.bool_)


def _flags(column: Any) -> Flags:
    flags: Flags = column.to_numpy(zero_copy_only=False)
    return flags
