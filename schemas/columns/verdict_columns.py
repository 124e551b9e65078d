"""Verdicts as Arrow IPC streams: the schema, and how columns become streams, without an object for each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from schemas.columns.coded import Coded, coded
from schemas.wire.verdict import Verdict

__all__ = [
    "VERDICTS_PER_STREAM_MAX",
    "DEFAULTS",
    "TYPES",
    "VERDICT_SCHEMA",
    "batch_of_verdicts",
    "of_one_model",
    "repeated",
    "some_verdicts",
    "verdict_batch",
    "verdict_streams",
]

VERDICTS_PER_STREAM_MAX: Final = 10_000
"""Rows of one stream; a reader refuses one with more. So codes of 16 bits always suffice."""

TEXT: Final = pa.string()
CODED: Final = pa.dictionary(pa.int16(), TEXT)
"""A text that repeats, as a code into the texts of its column."""

TYPES: Final = {
    "event_id": TEXT,
    "model": CODED,
    "model_version": CODED,
    "time": pa.int64(),
    "decision": CODED,
    "reasons": pa.list_(pa.field("item", CODED, nullable=False)),
    "uncertainty": pa.float64(),
    "inclusion_probability": pa.float64(),
    "error_probability": pa.float64(),
    "audit": pa.bool_(),
    "policy_version": CODED,
    "learned_version": CODED,
    "learned_prediction": CODED,
    "task_id": TEXT,
    "decided_at": pa.int64(),
    "correction_id": CODED,
    "settled_label": CODED,
}
VERDICT_SCHEMA: Final = pa.schema(
    [pa.field(name, arrow_type, nullable=name == "error_probability") for name, arrow_type in TYPES.items()]
)
"""The fields of Verdict in their order, times in epoch milliseconds; only ``error_probability`` may be null. A stream
has one record batch. Readers ignore columns that they do not know, and take the default of Verdict for one that is
missing."""

DEFAULTS: Final = {field.name: field.default for field in msgspec.structs.fields(Verdict) if not field.required}

CODES_MAX: Final = 2**15
"""Texts of a column whose codes fit into 16 bits. Before they are cut into streams, rows may have more."""

_options: Final = pa.ipc.IpcWriteOptions(use_threads=False)
_zeros: Final = pa.array(np.zeros(CODES_MAX, np.int16))


def verdict_batch(count: int, *, constant: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """``count`` verdicts as a pyarrow.RecordBatch, unchecked: fields that are the same in all, columns, and defaults.

    A column is a sequence of values, shape (count,). A column of texts or reasons (tuples of texts) may be ``Coded``;
    one of texts may be a pyarrow array of strings, one of numbers a NumPy array, NaN for a missing number. Raises
    KeyError where a field without a default is missing, ValueError where a column has another length.
    """
    arrays = []
    for name, arrow_type in TYPES.items():
        if name in columns:
            array = _array(columns[name], arrow_type)
        elif name in constant or name in DEFAULTS:
            array = repeated(constant[name] if name in constant else DEFAULTS[name], arrow_type, count)
        else:
            raise KeyError(f"Verdict has no default for {name!r}")
        if len(array) != count:
            raise ValueError(f"{len(array)} values of {name!r} for {count} verdicts")
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=list(TYPES))


def batch_of_verdicts(verdicts: Sequence[Verdict]) -> Any:
    """The same of Structs."""
    columns = {name: [getattr(verdict, name) for verdict in verdicts] for name in TYPES}
    return verdict_batch(len(verdicts), constant={}, columns=columns)


def verdict_streams(batch: Any, *, rows_max: int, bytes_max: int) -> Iterator[bytes]:
    """The rows of a batch of ``verdict_batch``, or of a part of one, as Arrow IPC streams in order.

    Each has at most ``rows_max`` rows, and at most ``bytes_max`` bytes unless a single row has more. Each holds the
    texts of its own rows only.
    """
    rows_max = min(rows_max, VERDICTS_PER_STREAM_MAX)
    for start in range(0, batch.num_rows, rows_max):
        yield from _within(batch.slice(start, rows_max) if batch.num_rows > rows_max else batch, bytes_max)


def _within(batch: Any, bytes_max: int) -> Iterator[bytes]:
    """The rows as a stream, or where that is too large, as two or more: to halve them is rarely needed."""
    rows = batch.num_rows
    if rows == 1 or len(batch.column("reasons").flatten()) <= CODES_MAX:
        data = _stream(batch)
        if rows == 1 or len(data) <= bytes_max:
            yield data
            return
    for half in (batch.slice(0, rows // 2), batch.slice(rows // 2)):
        yield from _within(half, bytes_max)


def of_one_model(batch: Any, model: str) -> Any:
    """The same rows, which are all of ``model``: its name need not be looked for among those of a whole batch."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns["model"] = repeated(model, CODED, batch.num_rows)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _stream(batch: Any) -> bytes:
    """The rows as a stream. Every reader knows what may be decided, so those words need not be looked for."""
    columns = zip(TYPES, batch.columns, strict=True)
    narrowed = [column if name == "decision" else _narrowed(column) for name, column in columns]
    return _written(pa.RecordBatch.from_arrays(narrowed, schema=VERDICT_SCHEMA))


def _written(batch: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_options) as stream:
        stream.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def some_verdicts(batch: Any, indexes: Sequence[int]) -> bytes:
    """Some rows of a batch that was read, right or wrong, as a stream of their own."""
    rows = batch.take(pa.array(indexes, pa.int64()))
    return _written(pa.RecordBatch.from_arrays(list(map(_narrowed, rows.columns)), names=rows.schema.names))


def repeated(value: Any, arrow_type: Any, count: int) -> Any:
    """A column of ``count`` times the same value of a verdict; None is null."""
    if arrow_type == CODED:
        codes = _zeros.slice(0, count) if count <= CODES_MAX else pa.array(np.zeros(count, np.int16))
        return pa.DictionaryArray.from_arrays(codes, pa.array([value], TEXT))
    if value is None:
        return pa.nulls(count, arrow_type)
    if pa.types.is_list(arrow_type):
        return _lists(Coded(np.zeros(count, np.int16), [value]))
    return pa.array([value] * count if arrow_type == TEXT else np.full(count, value), arrow_type)


def _array(column: Any, arrow_type: Any) -> Any:
    if pa.types.is_list(arrow_type):
        return _lists(column if isinstance(column, Coded) else coded(column))
    if arrow_type == CODED:
        return _dictionary(column)
    if isinstance(column, np.ndarray) and column.dtype == np.float64:
        return pa.array(column, mask=np.isnan(column)) if np.isnan(column).any() else pa.array(column)
    return column.cast(TEXT) if isinstance(column, pa.Array) else pa.array(column, arrow_type)


def _dictionary(column: Any) -> Any:
    """Texts as a dictionary; its codes have 16 bits where these suffice."""
    if isinstance(column, pa.Array):
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        column = Coded(column.indices.to_numpy(), column.dictionary.cast(TEXT))
    codes, texts = column if isinstance(column, Coded) else coded(column)
    codes = codes.astype(np.int16 if len(texts) <= CODES_MAX else np.int32, copy=False)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(texts, TEXT))


def _lists(column: Coded[tuple[str, ...]]) -> Any:
    """Reasons as lists of coded texts: each row takes over the codes of its tuple."""
    texts = coded(list(chain.from_iterable(column.values)))
    sizes = np.fromiter(map(len, column.values), np.int32, len(column.values))
    if len(sizes) == len(texts.codes) and sizes.all():  # one reason each
        ends, codes = np.arange(len(column.codes) + 1, dtype=np.int32), texts.codes[column.codes]
    else:
        begins, counts = np.cumsum(sizes) - sizes, sizes[column.codes]
        ends = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=ends[1:])
        codes = texts.codes[np.arange(ends[-1]) + np.repeat(begins[column.codes] - ends[:-1], counts)]
    return pa.ListArray.from_arrays(pa.array(ends), _dictionary(Coded(codes, texts.values)))


def _narrowed(column: Any) -> Any:
    """A column as VERDICT_SCHEMA has it, with the texts of its own rows."""
    if pa.types.is_list(column.type):
        offsets = column.offsets.to_numpy()
        values = _narrowed(column.values.slice(offsets[0], offsets[-1] - offsets[0]))
        nulls = column.is_null() if column.null_count else None
        return pa.ListArray.from_arrays(pa.array(offsets - offsets[0]), values, type=TYPES["reasons"], mask=nulls)
    if not pa.types.is_dictionary(column.type) or len(column.dictionary) <= 1:
        return column
    indices, texts = column.indices, column.dictionary
    nulls = indices.is_null().to_numpy(zero_copy_only=False) if indices.null_count else None
    codes = (indices if nulls is None else indices.fill_null(0)).to_numpy()
    is_used = np.zeros(len(texts), np.bool_)
    is_used[codes] = True
    if is_used.all() and column.type == CODED:
        return column
    codes = (np.cumsum(is_used) - 1)[codes].astype(np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=nulls), texts.filter(pa.array(is_used)))
