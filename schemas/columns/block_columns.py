"""Blocks as an Arrow table, a row a block: its schema, and how Structs become rows.

``block_rows`` reads them back. Texts that repeat are codes into dictionaries. A sampled feature is an entry with its
type, because a 1, a 1.0 and a true are told apart, as they are in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas.wire.base import Scalar
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow

__all__ = ["BLOCK_SCHEMA", "EXACT_MAX", "ScalarType", "block_batch"]

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

PLAIN: Final = tuple(field.name for field in BLOCK_SCHEMA if not pa.types.is_nested(field.type))


def block_batch(blocks: Sequence[Block]) -> Any:
    """The blocks as a pyarrow.RecordBatch of ``BLOCK_SCHEMA``, in their order.

    Raises what pyarrow raises for a count of more than 31 bits: a block of ``block_events_max`` events never has one.
    """
    columns = {name: _column(name, [getattr(block, name) for block in blocks]) for name in PLAIN}
    columns["numeric"] = _listed([block.numeric for block in blocks], _summaries)
    columns["categorical"] = _listed([block.categorical for block in blocks], _categories)
    columns["decisions"] = _maps([block.decisions for block in blocks], TEXT)
    columns["sample"] = _listed([block.sample for block in blocks], _sampled)
    columns["unwatched"] = _column("unwatched", [list(block.unwatched) for block in blocks])
    return pa.RecordBatch.from_arrays([columns[name] for name in BLOCK_SCHEMA.names], schema=BLOCK_SCHEMA)


def _column(name: str, values: Sequence[Any]) -> Any:
    return pa.array(values, BLOCK_SCHEMA.field(name).type)


def _summaries(numeric: Sequence[dict[str, NumericSummary]]) -> Any:
    """The entries of all rows, row after row."""
    summaries = list(chain.from_iterable(signals.values() for signals in numeric))
    return _entries(
        SUMMARY,
        signal=_coded(chain.from_iterable(numeric)),
        histogram=_lists([summary.histogram for summary in summaries], COUNT),
        **{
            name: [getattr(summary, name) for summary in summaries]
            for name in NumericSummary.__struct_fields__
            if name != "histogram"
        },
    )


def _categories(categorical: Sequence[dict[str, CategoryCounts]]) -> Any:
    entries = list(chain.from_iterable(signals.values() for signals in categorical))
    return _entries(
        CATEGORIES,
        signal=_coded(chain.from_iterable(categorical)),
        counts=_maps([entry.counts for entry in entries], CODED),
        missing=[entry.missing for entry in entries],
        other=[entry.other for entry in entries],
    )


def _sampled(samples: Sequence[Sequence[SampledRow]]) -> Any:
    rows = list(chain.from_iterable(samples))
    return _entries(
        SAMPLED,
        hash=[row.hash for row in rows],
        event_id=[row.event_id for row in rows],
        time=[row.time for row in rows],
        features=_listed([row.features for row in rows], _features),
        prediction=_coded([row.prediction for row in rows]),
        confidence=[row.confidence for row in rows],
    )


def _features(features: Sequence[dict[str, Scalar]]) -> Any:
    values = list(chain.from_iterable(row.values() for row in features))
    entries = list(map(_entry, values))
    types, numbers, texts = zip(*entries, strict=True) if entries else ((), (), ())
    return _entries(FEATURE, name=_coded(chain.from_iterable(features)), type=types, number=numbers, text=_coded(texts))


def _entry(value: Scalar) -> tuple[ScalarType, float, str]:
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


def _entries(struct: Any, **columns: Any) -> Any:
    """A StructArray of columns, given as arrays or as values."""
    arrays = [
        column if isinstance(column := columns[field.name], pa.Array) else pa.array(column, field.type)
        for field in struct
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(struct))


def _listed(rows: Sequence[Any], entries_of: Any) -> Any:
    """A ListArray with the entries of each row."""
    entries = entries_of(rows)
    return pa.ListArray.from_arrays(_ends(rows), entries, type=_list(entries.type))


def _lists(rows: Sequence[Sequence[Any]], arrow_type: Any) -> Any:
    values = pa.array(list(chain.from_iterable(rows)), arrow_type)
    return pa.ListArray.from_arrays(_ends(rows), values, type=_list(arrow_type))


def _maps(rows: Sequence[dict[str, int]], key_type: Any) -> Any:
    keys = chain.from_iterable(rows)
    return pa.MapArray.from_arrays(
        _ends(rows),
        _coded(keys) if key_type == CODED else pa.array(list(keys), TEXT),
        pa.array(list(chain.from_iterable(row.values() for row in rows)), COUNT),
        type=_counts(key_type),
    )


def _ends(rows: Sequence[Any]) -> Any:
    """Where the entries of each row begin, and where the last one's end."""
    return pa.array(list(accumulate(map(len, rows), initial=0)), pa.int32())


def _coded(texts: Iterable[str]) -> Any:
    """Texts as codes, each text once in the dictionary, in order of first occurrence."""
    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(text, len(code_of)) for text in texts]
    return pa.DictionaryArray.from_arrays(np.array(codes, np.int32), pa.array(list(code_of), TEXT))
