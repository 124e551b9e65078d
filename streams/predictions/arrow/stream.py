"""Opens Arrow IPC streams of predictions: the result is a plain table within bounds, or the reason of a Reject."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import types

from schemas.json_text.errors import MalformedError
from streams.arrow.ipc import (
    ARROW_BATCHES_MAX,
    ARROW_BYTES_MAX,
    STREAM_ERRORS,
    check_unpacked,
    damage,
    only_batch,
    read_stream,
    schema_message,
)
from streams.arrow.mark import is_stream
from streams.arrow.sizes import Sizes, is_little_endian, sizes_of
from streams.message_limits import MessageLimits
from streams.predictions.arrow.resolved_texts import resolved, resolved_bytes, resolved_bytes_max
from streams.predictions.arrow.types import COLUMNS, NESTED, Type, expect_column
from streams.predictions.expected_fields import expected_at
from streams.predictions.reject_reasons import beginning_of, listed_names

__all__ = ["ARROW_CELLS_MAX", "UsualBatch", "table_again", "table_of", "usual_batch"]

ARROW_CELLS_MAX: Final = 1_000_000
"""Rows of one message times its columns and features; a message with more is rejected as a whole."""

SCHEMAS_MAX: Final = 64
"""Schemas whose check is remembered, if they have at most ``SCHEMA_BYTES_MAX``."""

SCHEMA_BYTES_MAX: Final = 128 * 1024

REQUIRED: Final = ("event_id", "model", "time", "features", "prediction")


class Plan(NamedTuple):
    """How streams of one schema are read: which columns are taken, and their plain types."""

    names: list[str]
    schema: Any
    cast: tuple[str, ...]
    """Columns that must be cast to their plain type."""
    columns: int
    """The number of columns; a struct counts as many as it has fields."""
    maps: tuple[str, ...]
    usual_schema: Any
    """The schema of the stream, if its columns have plain types as they are; else None."""


class UsualBatch(NamedTuple):
    """A stream of one record batch, and its bytes once unpacked."""

    plan: Plan
    batch: Any
    unpacked_bytes: int


def table_of(data: bytes, rows_max: int) -> Any:
    """The rows of a stream, at most ``rows_max``, as a pyarrow.Table of one chunk; raises MalformedError.

    Only columns that Prediction has are kept, and each has a plain type: ``string`` or ``large_string`` for text;
    ``int64``, ``uint64`` or ``double`` for numbers; integers or timestamps in UTC for times. Dictionaries are resolved.
    """
    try:
        rows, unpacked_bytes = sizes_of(data, ARROW_BATCHES_MAX)
        plan = _plan(data)
        _check_size(rows, unpacked_bytes, plan, rows_max)
        table = read_stream(data)
        table = table.select(plan.names)
        for name in plan.maps:
            _check_items(table.column(name))
        columns = dict(zip(plan.names, table.columns, strict=True))
        _check_resolved([chunk for name in plan.cast for chunk in columns[name].chunks])
        for name in plan.cast:
            columns[name] = resolved(columns[name], plan.schema.field(name).type)
        return pa.table(columns, plan.schema).combine_chunks()
    except STREAM_ERRORS as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"no Arrow IPC stream: {_stream_problem(data, error)}") from error


def usual_batch(data: bytes, rows_max: int) -> UsualBatch | None:
    """The rows of a stream of one record batch whose columns have plain types as they are; None of any other stream.

    Read with ``table_of`` such a stream gives the same rows, and any other its rows or the reason of a Reject.
    """
    try:
        plan = _plan(data)
        if plan.usual_schema is None:
            return None
        unpacked_bytes = 0

        def check(sizes: Sizes) -> None:
            nonlocal unpacked_bytes
            unpacked_bytes = sizes.unpacked_bytes
            _check_size(sizes.rows, unpacked_bytes, plan, rows_max)

        batch = only_batch(data, plan.usual_schema, check)
    except STREAM_ERRORS:
        return None
    return None if batch is None else UsualBatch(plan, batch, unpacked_bytes)


table_again: Final = functools.lru_cache(maxsize=1)(table_of)
"""The same; keeps the latest table, because the rows of a message are asked for one after the other."""


def _stream_problem(data: bytes, error: Exception) -> str:
    """Why bytes are not a stream: they are something else, they are truncated, or pyarrow's own words."""
    if not is_stream(data):
        what, right = beginning_of(data)
        if data[:1] in (b"{", b"["):
            what, right = "is JSON", "it without this header, or a stream"
        return f"the message {what}; expected {right or 'what pyarrow.ipc.new_stream writes'}"
    return damage(data, error)


def _plan(data: bytes) -> Plan:
    """The plan for a stream; raises MalformedError, or what pyarrow raises."""
    message = schema_message(data)
    return _plan_of(message) if len(message) <= SCHEMA_BYTES_MAX else _plan_of.__wrapped__(message)


@functools.lru_cache(SCHEMAS_MAX)
def _plan_of(message: bytes) -> Plan:
    """The plan for streams that begin with this schema; raises MalformedError, or what pyarrow raises."""
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    fields = {}
    for field in schema:
        if field.name in fields:
            raise MalformedError(f"two columns `{field.name}` - at `$.{field.name}`")
        if field.name in COLUMNS or field.name in NESTED:
            plain = _plain(field.type)
            if not types.is_null(plain) or field.name in REQUIRED:
                fields[field.name] = plain
    there = listed_names(schema.names)
    for name in REQUIRED:
        if name not in fields:
            raise MalformedError(f"no column `{name}`; expected {expected_at(name)}; {there}", f"$.{name}")
    if "confidence" not in fields and "probabilities" not in fields:
        raise MalformedError(f"no column `confidence` and none `probabilities`; expected one; {there}", "$.confidence")
    for name, arrow_type in fields.items():
        expect_column(name, arrow_type)
    cast = tuple(name for name, arrow_type in fields.items() if schema.field(name).type != arrow_type)
    maps = tuple(name for name, arrow_type in fields.items() if types.is_map(arrow_type))
    return Plan(
        list(fields),
        pa.schema(fields.items()),
        cast=cast,
        columns=sum(
            max(1, arrow_type.num_fields) if types.is_struct(arrow_type) else 1 for arrow_type in fields.values()
        ),
        maps=maps,
        usual_schema=None if cast or maps or not is_little_endian(message) else schema,
    )


def _plain(arrow_type: Type) -> Type:
    if types.is_dictionary(arrow_type):
        return arrow_type if types.is_nested(arrow_type.value_type) else _plain(arrow_type.value_type)
    if types.is_string_view(arrow_type):
        return pa.large_string()
    if types.is_integer(arrow_type) and not types.is_uint64(arrow_type):
        return pa.int64()
    if types.is_floating(arrow_type):
        return pa.float64()
    if types.is_timestamp(arrow_type) and arrow_type.tz is not None:
        return pa.timestamp(arrow_type.unit, "UTC")
    if types.is_struct(arrow_type):
        return pa.struct([(field.name, _plain(field.type)) for field in arrow_type])
    if types.is_map(arrow_type):
        return pa.map_(_plain(arrow_type.key_type), _plain(arrow_type.item_type))
    return arrow_type


def _check_size(rows: int, unpacked_bytes: int, plan: Plan, rows_max: int) -> None:
    MessageLimits(events_max=rows_max).check_elements(rows, "rows; an Arrow message")
    if rows * plan.columns > ARROW_CELLS_MAX:
        raise MalformedError(
            f"{rows} rows of {plan.columns} columns and features; an Arrow message may have {ARROW_CELLS_MAX} cells"
        )
    check_unpacked(unpacked_bytes)


def _check_items(column: Any) -> None:
    items = sum(len(chunk.items) for chunk in column.chunks)
    if items > ARROW_CELLS_MAX:
        raise MalformedError(f"{items} entries of maps; an Arrow message may have {ARROW_CELLS_MAX} cells")


def _check_resolved(chunks: Sequence[Any]) -> None:
    if sum(map(resolved_bytes_max, chunks)) > ARROW_BYTES_MAX:
        check_unpacked(sum(map(resolved_bytes, chunks)))
