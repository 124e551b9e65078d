"""Arrow IPC streams of predictions, opened with care: a plain table within bounds, or the reason why not."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import types

from schemas.codec import MalformedError
from streams.predictions.arrow_sizes import sizes_of
from streams.predictions.arrow_texts import resolved, resolved_bytes, resolved_bytes_max
from streams.predictions.checks import MessageLimits

__all__ = ["ARROW_BATCHES_MAX", "ARROW_BYTES_MAX", "ARROW_CELLS_MAX", "some_rows", "table_again", "table_of"]

ARROW_BATCHES_MAX: Final = 1_000
"""Record batches and dictionaries of one message; one with more is rejected as a whole."""

ARROW_CELLS_MAX: Final = 1_000_000
"""Rows of one message times its columns, each feature one of them; one with more is rejected as a whole."""

ARROW_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one message once unpacked: compressed buffers, and the texts of dictionaries in every row that has them."""

SCHEMAS_MAX: Final = 64
"""Schemas whose check is remembered, where they are of at most ``SCHEMA_BYTES_MAX``."""

SCHEMA_BYTES_MAX: Final = 128 * 1024

MARK_BYTES: Final = 8
PADDING: Final = b"\0"

REQUIRED: Final = ("event_id", "model", "time", "features", "prediction")

Type = Any
"""pyarrow publishes no types: a pyarrow.DataType."""

TYPE_CHARS_MAX: Final = 200
"""Characters of a type that a reason quotes."""


def _is_text(kind: Type) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: Type) -> bool:
    return bool(types.is_integer(kind) or types.is_float64(kind) or types.is_null(kind))


def _is_time(kind: Type) -> bool:
    return bool(types.is_integer(kind) or (types.is_timestamp(kind) and kind.tz is not None))


def _is_label(kind: Type) -> bool:
    return _is_text(kind) or bool(types.is_integer(kind) or types.is_boolean(kind))


def _is_scalar(kind: Type) -> bool:
    return _is_text(kind) or _is_number(kind) or bool(types.is_boolean(kind))


def _is_consent(kind: Type) -> bool:
    return bool(types.is_boolean(kind) or types.is_null(kind))


Test = Callable[[Type], bool]
TEXT: Final = "text"
_columns: Final[dict[str, tuple[Test, str]]] = {
    "event_id": (_is_text, TEXT),
    "model": (_is_text, TEXT),
    "time": (_is_time, "integers (epoch milliseconds) or timestamps with a time zone"),
    "prediction": (_is_label, "text, integers or booleans"),
    "model_version": (_is_text, TEXT),
    "confidence": (_is_number, "numbers"),
    "risk": (_is_number, "numbers"),
    "subject": (_is_text, TEXT),
    "content": (_is_text, TEXT),
    "producer": (_is_text, TEXT),
}
_nested: Final[dict[str, tuple[Test, str]]] = {
    "features": (_is_scalar, "numbers, text or booleans"),
    "probabilities": (_is_number, "numbers"),
    "slices": (lambda kind: _is_text(kind) or bool(types.is_null(kind)), TEXT),
    "consent": (_is_consent, "booleans"),
}


class Plan(NamedTuple):
    """What is done with streams of one schema: which columns are taken, of which plain types."""

    names: list[str]
    schema: Any
    cast: tuple[str, ...]
    """Columns that are of another type until they are cast."""
    columns: int
    """Columns, and features in structs."""
    maps: tuple[str, ...]


def table_of(data: bytes, rows_max: int) -> Any:
    """The rows of a stream, at most ``rows_max``, as a pyarrow.Table of one chunk; raises MalformedError.

    Only columns that are Prediction's are left, each of a plain type: text is ``string`` or ``large_string``, numbers
    are ``int64``, ``uint64`` or ``double``, times integers or timestamps in UTC; dictionaries are resolved.
    """
    try:
        rows, unpacked_bytes = sizes_of(data, ARROW_BATCHES_MAX)
        schema = _schema_message(data)
        plan = _plan_of(schema) if len(schema) <= SCHEMA_BYTES_MAX else _plan_of.__wrapped__(schema)
        _check_size(rows, unpacked_bytes, plan, rows_max)
        table = _read(data)
        table.validate(full=True)
        table = table.select(plan.names)
        for name in plan.maps:
            _check_items(table.column(name))
        columns = dict(zip(plan.names, table.columns, strict=True))
        _check_resolved([chunk for name in plan.cast for chunk in columns[name].chunks])
        for name in plan.cast:
            columns[name] = resolved(columns[name], plan.schema.field(name).type)
        return pa.table(columns, plan.schema).combine_chunks()
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"no Arrow IPC stream: {' '.join(str(error).split())[:500]}") from error


table_again: Final = functools.lru_cache(maxsize=1)(table_of)
"""The same for a message whose rows are asked for one after the other: the newest table is kept."""


def some_rows(table: Any, indexes: Sequence[int]) -> bytes:
    """An Arrow IPC stream of some rows of what ``table_of`` gave."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(indexes[0], 1) if len(indexes) == 1 else table.take(indexes))
    return bytes(sink.getvalue().to_pybytes())


def _read(data: bytes) -> Any:
    """All of a stream; raises MalformedError where something stands behind its end: rows there would never be read."""
    source = pa.BufferReader(data)
    with pa.ipc.open_stream(source) as reader:
        table = reader.read_all()
    behind = data[source.tell() :]
    if behind.strip(PADDING):
        raise MalformedError(f"{len(behind)} bytes behind the end of the Arrow stream; expected one stream a message")
    return table


def _schema_message(data: bytes) -> bytes:
    """The beginning of a stream: a mark of four bytes, a length of four, and so many that describe the schema."""
    return data[: MARK_BYTES + int.from_bytes(data[MARK_BYTES // 2 : MARK_BYTES], "little")]


@functools.lru_cache(SCHEMAS_MAX)
def _plan_of(message: bytes) -> Plan:
    """What to do with streams that begin so; raises MalformedError, or what pyarrow raises."""
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    fields = {}
    for field in schema:
        if field.name in fields:
            raise MalformedError(f"two columns `{field.name}` - at `$.{field.name}`")
        if field.name in _columns or field.name in _nested:
            plain = _plain(field.type)
            if not types.is_null(plain) or field.name in REQUIRED:
                fields[field.name] = plain
    for name in REQUIRED:
        if name not in fields:
            raise MalformedError(f"no column `{name}`", f"$.{name}")
    if "confidence" not in fields and "probabilities" not in fields:
        raise MalformedError("no column `confidence` and none `probabilities`", "$.confidence")
    for name, kind in fields.items():
        if name in _columns:
            _expect(f"$.{name}", kind, *_columns[name])
        else:
            _expect_nested(name, kind)
    return Plan(
        list(fields),
        pa.schema(fields.items()),
        cast=tuple(name for name, kind in fields.items() if schema.field(name).type != kind),
        columns=sum(max(1, kind.num_fields) if types.is_struct(kind) else 1 for kind in fields.values()),
        maps=tuple(name for name, kind in fields.items() if types.is_map(kind)),
    )


def _plain(kind: Type) -> Type:
    if types.is_dictionary(kind):
        return kind if types.is_nested(kind.value_type) else _plain(kind.value_type)
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_integer(kind) and not types.is_uint64(kind):
        return pa.int64()
    if types.is_floating(kind):
        return pa.float64()
    if types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    return kind


def _expect(path: str, kind: Type, test: Test, expected: str) -> None:
    if not test(kind):
        raise MalformedError(f"a column of {_quoted(kind)}; expected {expected} - at `{path}`", path)


def _expect_nested(name: str, kind: Type) -> None:
    test, expected = _nested[name]
    if types.is_map(kind) and name != "consent":
        if not _is_text(kind.key_type):
            raise MalformedError(f"keys of {_quoted(kind.key_type)}; expected text - at `$.{name}`")
        _expect(f"$.{name}[...]", kind.item_type, test, expected)
        return
    if not types.is_struct(kind):
        what = "a struct" if name == "consent" else "a struct or a map"
        raise MalformedError(f"a column of {_quoted(kind)}; expected {what} - at `$.{name}`")
    names = [field.name for field in kind]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise MalformedError(f"two fields `{twice[:200]}` - at `$.{name}`", f"$.{name}")
    for field in kind:
        if name != "consent" or field.name in ("review", "learn"):
            _expect(f"$.{name}.{field.name}", field.type, test, expected)


def _quoted(kind: Type) -> str:
    return str(kind)[:TYPE_CHARS_MAX]


def _check_size(rows: int, unpacked_bytes: int, plan: Plan, rows_max: int) -> None:
    MessageLimits(events_max=rows_max).check_elements(rows, "rows; an Arrow message")
    if rows * plan.columns > ARROW_CELLS_MAX:
        raise MalformedError(
            f"{rows} rows of {plan.columns} columns and features; an Arrow message may have {ARROW_CELLS_MAX} cells"
        )
    _check_bytes(unpacked_bytes)


def _check_bytes(found: int) -> None:
    if found > ARROW_BYTES_MAX:
        raise MalformedError(f"{found} bytes once unpacked; an Arrow message may have {ARROW_BYTES_MAX}")


def _check_items(column: Any) -> None:
    items = sum(len(chunk.items) for chunk in column.chunks)
    if items > ARROW_CELLS_MAX:
        raise MalformedError(f"{items} entries of maps; an Arrow message may have {ARROW_CELLS_MAX} cells")


def _check_resolved(chunks: Sequence[Any]) -> None:
    if sum(map(resolved_bytes_max, chunks)) > ARROW_BYTES_MAX:
        _check_bytes(sum(map(resolved_bytes, chunks)))
