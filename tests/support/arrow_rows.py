"""Predictions as Arrow IPC streams, in any of the ways in which a producer may have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
ARROW_HEADERS: list[tuple[str, bytes | None]] = [("content-type", CONTENT_TYPE.encode())]


@dataclasses.dataclass(frozen=True)
class Style:
    """How columns are laid out."""

    text: pa.DataType = dataclasses.field(default_factory=pa.string)
    time: pa.DataType = dataclasses.field(default_factory=pa.int64)
    as_maps: bool = False
    rows_per_batch: int = 1_000
    compression: str | None = None


def label_type(rows: Sequence[dict[str, Any]], style: Style) -> pa.DataType:
    label = next((row["prediction"] for row in rows if row.get("prediction") is not None), "")
    return pa.bool_() if isinstance(label, bool) else pa.int32() if isinstance(label, int) else style.text


def scalar_type(values: Sequence[Any], style: Style) -> pa.DataType:
    types = {type(value) for value in values if value is not None}
    if not types:
        return pa.null()
    if types <= {int, float}:
        return pa.float64() if float in types else pa.int64()
    (value_type,) = types
    return style.text if value_type is str else pa.bool_()


def nested_type(rows: Sequence[Any], style: Style) -> pa.DataType:
    known = [row for row in rows if row is not None]
    names = dict.fromkeys(name for row in known for name in row)
    columns = {name: scalar_type([row.get(name) for row in known], style) for name in names}
    if style.as_maps and len(set(columns.values())) == 1:
        return pa.map_(pa.string(), next(iter(columns.values())))
    return pa.struct(columns.items())


def column(name: str, values: Sequence[Any], style: Style) -> pa.Array:
    if name == "time":
        arrow_type = style.time
        if pa.types.is_timestamp(arrow_type):
            factor = {"ms": 1, "us": 1_000, "ns": 1_000_000}[arrow_type.unit]
            return pa.array([None if value is None else value * factor for value in values], pa.int64()).cast(
                arrow_type
            )
        return pa.array(values, arrow_type)
    if name in ("features", "probabilities", "slices", "consent"):
        arrow_type = nested_type(values, dataclasses.replace(style, as_maps=style.as_maps and name != "consent"))
        if pa.types.is_map(arrow_type):
            values = [None if value is None else list(value.items()) for value in values]
        return pa.array(values, arrow_type)
    if name in ("confidence", "risk"):
        return pa.array(values, pa.float64())
    if name == "prediction":
        return pa.array(values, label_type([{"prediction": value} for value in values], style))
    return pa.array(values, style.text)


def table_of(rows: Sequence[dict[str, Any]], style: Style | None = None) -> pa.Table:
    """A column for every field that any row has."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: column(name, [row.get(name) for row in rows], style or Style()) for name in names})


def stream_of(table: pa.Table, rows_per_batch: int = 1_000, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows_per_batch)
    return bytes(sink.getvalue().to_pybytes())


def arrow_of(rows: Sequence[dict[str, Any]], style: Style | None = None) -> bytes:
    style = style or Style()
    return stream_of(table_of(rows, style), style.rows_per_batch, style.compression)
