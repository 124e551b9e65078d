"""Blocks as an Arrow table, a row a block: its schema, and how Structs become rows.

``block_rows`` reads them back. Texts that repeat are codes into dictionaries. A sampled feature is an entry with its
type, because a 1, a 1.0 and a true are told apart, as they are in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.wire.base import Scalar
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow

__all__ = [
    "BLOCK_SCHEMA",
    "CATEGORIES",
    "EXACT_MAX",
    "FEATURE",
    "SAMPLED",
    "SUMMARY",
    "ScalarType",
    "batch_of",
    "block_batch",
    "category_lists",
    "coded_of",
    "entry_of",
    "lists_of",
    "maps_of",
    "structs_of",
]

Ints = npt.NDArray[np.int64] | npt.NDArray[np.int32]

EXACT_MAX: Final = 2**53
"""Up to this size a double holds every whole number."""


class ScalarType(IntEnum):
    """The type of a feature's value, and where an entry of a sampled row has it."""

    NOTHING = 0
    """Null."""
    NUMBER = 1
    """A double, in ``number``."""
    INTEGER = 2
    """A whole number of at most ``EXACT_MAX``, in ``number``."""
    BOOLEAN = 3
    """1 or 0, in ``number``."""
    TEXT = 4
    """A text, in ``text``."""
    DIGITS = 5
    """A larger whole number, as decimal digits in ``text``."""


def _struct(**types: Any) -> Any:
    return pa.struct([pa.field(name, arrow_type, nullable=False) for name, arrow_type in types.items()])


def _list(arrow_type: Any) -> Any:
    return pa.list_(pa.field("item", arrow_type, nullable=False))


def _counts(key_type: Any) -> Any:
    return pa.map_(key_type, pa.field("value", COUNT, nullable=False))


TEXT: Final = pa.string()
CODED: Final = pa.dictionary(pa.int32(), TEXT)
COUNT: Final = pa.int32()
POSITION: Final = pa.int64()
NUMBER: Final = pa.float64()

SUMMARY: Final = _struct(
    signal=CODED,
    count=COUNT,
    missing=COUNT,
    mean=NUMBER,
    m2=NUMBER,
    minimum=NUMBER,
    maximum=NUMBER,
    histogram=_list(COUNT),
    centre=NUMBER,
    mean_offset=NUMBER,
    m2_exponent=COUNT,
)
CATEGORIES: Final = _struct(signal=CODED, counts=_counts(CODED), missing=COUNT, other=COUNT)
FEATURE: Final = _struct(name=CODED, type=pa.int8(), number=NUMBER, text=CODED)
SAMPLED: Final = _struct(
    hash=pa.uint64(),
    event_id=TEXT,
    time=POSITION,
    features=_list(FEATURE),
    prediction=CODED,
    confidence=NUMBER,
)

BLOCK_SCHEMA: Final = pa.schema(
    _struct(
        block_id=TEXT,
        model=TEXT,
        reference_version=TEXT,
        partition=COUNT,
        first_offset=POSITION,
        last_offset=POSITION,
        time_min=POSITION,
        time_max=POSITION,
        events=COUNT,
        numeric=_list(SUMMARY),
        categorical=_list(CATEGORIES),
        decisions=_counts(TEXT),
        sample=_list(SAMPLED),
        features_unwatched=COUNT,
        unwatched=_list(TEXT),
    )
)
"""The columns of a table of blocks; all have the names and meanings of ``schemas.wire.block``. Nothing is ever null."""

BLOCK_FIELDS: Final = list(BLOCK_SCHEMA)
FIELDS: Final = {struct: list(struct) for struct in (SUMMARY, CATEGORIES, FEATURE, SAMPLED)}
NUMPY_TYPES: Final[dict[Any, Any]] = {
    COUNT: np.int32,
    POSITION: np.int64,
    NUMBER: np.float64,
    pa.int8(): np.int8,
    pa.uint64(): np.uint64,
}
PLAIN: Final = tuple(field.name for field in BLOCK_SCHEMA if not pa.types.is_nested(field.type))


def block_batch(blocks: Sequence[Block]) -> Any:
    """The blocks as a pyarrow.RecordBatch of ``BLOCK_SCHEMA``, in their order.

    Raises what pyarrow raises for a count of more than 31 bits: a block of ``block_events_max`` events never has one.
    """
    columns: dict[str, Any] = {name: [getattr(block, name) for block in blocks] for name in PLAIN}
    columns["numeric"] = _listed([block.numeric for block in blocks], _summaries)
    columns["categorical"] = category_lists([block.categorical for block in blocks])
    columns["decisions"] = _maps([block.decisions for block in blocks], TEXT)
    columns["sample"] = _listed([block.sample for block in blocks], _sampled)
    columns["unwatched"] = [list(block.unwatched) for block in blocks]
    return batch_of(columns)


def batch_of(columns: Mapping[str, Any]) -> Any:
    """A pyarrow.RecordBatch of ``BLOCK_SCHEMA`` with these columns, given as arrays or as values."""
    return pa.RecordBatch.from_arrays(_arrays(BLOCK_FIELDS, columns), schema=BLOCK_SCHEMA)


def structs_of(struct: Any, columns: Mapping[str, Any]) -> Any:
    """A StructArray of one of the structs of ``BLOCK_SCHEMA`` with these columns, given as arrays or as values."""
    fields = FIELDS[struct]
    return pa.StructArray.from_arrays(_arrays(fields, columns), fields=fields)


def lists_of(sizes: Ints, entries: Any) -> Any:
    """A ListArray of rows with so many of the entries, row after row."""
    return pa.ListArray.from_arrays(_ends(sizes), entries, type=_list(entries.type))


def maps_of(sizes: Ints, keys: Any, counts: Any) -> Any:
    """A MapArray of rows with so many of the keys and counts, row after row."""
    return pa.MapArray.from_arrays(_ends(sizes), keys, _array(counts, COUNT), type=_counts(keys.type))


def coded_of(codes: Ints, texts: Sequence[str | None]) -> Any:
    """Texts as codes, indexes into ``texts``."""
    return pa.DictionaryArray.from_arrays(_array(codes, COUNT), pa.array(texts, TEXT))


def category_lists(by_row: Sequence[dict[str, CategoryCounts]]) -> Any:
    """The column ``categorical`` of these rows."""
    return _listed(by_row, _categories)


def _arrays(fields: Iterable[Any], columns: Mapping[str, Any]) -> list[Any]:
    return [_array(columns[field.name], field.type) for field in fields]


def _array(column: Any, arrow_type: Any) -> Any:
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, np.ndarray):  # NumPy converts numbers in a fifth of the time that pyarrow takes
        return pa.array(column.astype(NUMPY_TYPES[arrow_type], copy=False))
    return pa.array(column, arrow_type)


def _summaries(numeric: Sequence[dict[str, NumericSummary]]) -> Any:
    """The entries of all rows, row after row."""
    summaries = list(chain.from_iterable(signals.values() for signals in numeric))
    histograms = [summary.histogram for summary in summaries]
    columns: dict[str, Any] = {
        name: [getattr(summary, name) for summary in summaries] for name in NumericSummary.__struct_fields__
    }
    columns["signal"] = _coded(chain.from_iterable(numeric))
    columns["histogram"] = lists_of(_sizes(histograms), pa.array(list(chain.from_iterable(histograms)), COUNT))
    return structs_of(SUMMARY, columns)


def _categories(categorical: Sequence[dict[str, CategoryCounts]]) -> Any:
    entries = list(chain.from_iterable(signals.values() for signals in categorical))
    columns = {
        "signal": _coded(chain.from_iterable(categorical)),
        "counts": _maps([entry.counts for entry in entries], CODED),
        "missing": [entry.missing for entry in entries],
        "other": [entry.other for entry in entries],
    }
    return structs_of(CATEGORIES, columns)


def _sampled(samples: Sequence[Sequence[SampledRow]]) -> Any:
    rows = list(chain.from_iterable(samples))
    columns = {
        "hash": [row.hash for row in rows],
        "event_id": [row.event_id for row in rows],
        "time": [row.time for row in rows],
        "features": _listed([row.features for row in rows], _features),
        "prediction": _coded([row.prediction for row in rows]),
        "confidence": [row.confidence for row in rows],
    }
    return structs_of(SAMPLED, columns)


def _features(features: Sequence[dict[str, Scalar]]) -> Any:
    entries = [entry_of(value) for row in features for value in row.values()]
    types, numbers, texts = zip(*entries, strict=True) if entries else ((), (), ())
    columns = {
        "name": _coded(chain.from_iterable(features)),
        "type": types,
        "number": numbers,
        "text": _coded(texts),
    }
    return structs_of(FEATURE, columns)


def entry_of(value: Scalar) -> tuple[ScalarType, float, str]:
    """Type, number and text of a feature's value."""
    if value is None:
        return ScalarType.NOTHING, 0.0, ""
    if isinstance(value, str):
        return ScalarType.TEXT, 0.0, value
    if isinstance(value, bool):
        return ScalarType.BOOLEAN, float(value), ""
    if isinstance(value, int):
        is_exact = abs(value) <= EXACT_MAX
        return (ScalarType.INTEGER, float(value), "") if is_exact else (ScalarType.DIGITS, 0.0, str(value))
    return ScalarType.NUMBER, value, ""


def _listed(rows: Sequence[Any], entries_of: Callable[[Sequence[Any]], Any]) -> Any:
    """A ListArray with the entries of each row."""
    return lists_of(_sizes(rows), entries_of(rows))


def _maps(rows: Sequence[dict[str, int]], key_type: Any) -> Any:
    keys = chain.from_iterable(rows)
    counts = list(chain.from_iterable(row.values() for row in rows))
    return maps_of(_sizes(rows), _coded(keys) if key_type == CODED else pa.array(list(keys), TEXT), counts)


def _sizes(rows: Sequence[Any]) -> Ints:
    return np.fromiter(map(len, rows), np.int64, len(rows))


def _ends(sizes: Ints) -> Any:
    """Where the entries of each row begin, and where the last one's end."""
    ends = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    return pa.array(ends)


def _coded(texts: Iterable[str]) -> Any:
    """Texts as codes, each text once in the dictionary, in order of first occurrence."""
    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(text, len(code_of)) for text in texts]
    return coded_of(np.array(codes, np.int32), list(code_of))
