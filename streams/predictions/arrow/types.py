"""Which Arrow types the columns of predictions may have, and hints for columns of other types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pyarrow import types

from schemas.json_text.errors import MalformedError

__all__ = ["COLUMNS", "NESTED", "Type", "expect_column"]

Type = Any
"""pyarrow publishes no types: a pyarrow.DataType."""

TYPE_CHARS_MAX: Final = 200
"""Characters of a type that a reason quotes."""


def _is_text(arrow_type: Type) -> bool:
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type))


def _is_number(arrow_type: Type) -> bool:
    return bool(types.is_integer(arrow_type) or types.is_float64(arrow_type) or types.is_null(arrow_type))


def _is_time(arrow_type: Type) -> bool:
    return bool(types.is_integer(arrow_type) or (types.is_timestamp(arrow_type) and arrow_type.tz is not None))


def _is_label(arrow_type: Type) -> bool:
    return _is_text(arrow_type) or bool(types.is_integer(arrow_type) or types.is_boolean(arrow_type))


def _is_scalar(arrow_type: Type) -> bool:
    return _is_text(arrow_type) or _is_number(arrow_type) or bool(types.is_boolean(arrow_type))


def _is_consent(arrow_type: Type) -> bool:
    return bool(types.is_boolean(arrow_type) or types.is_null(arrow_type))


Test = Callable[[Type], bool]
TEXT: Final = "text"
COLUMNS: Final[dict[str, tuple[Test, str]]] = {
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
"""Columns of plain values: the test that their type must pass, and the same in words. Views, dictionaries and narrow
numbers have become plain types before (``stream.table_of``)."""
NESTED: Final[dict[str, tuple[Test, str]]] = {
    "features": (_is_scalar, "numbers, text or booleans"),
    "probabilities": (_is_number, "numbers"),
    "slices": (lambda arrow_type: _is_text(arrow_type) or bool(types.is_null(arrow_type)), TEXT),
    "consent": (_is_consent, "booleans"),
}
"""Columns that hold values by name: the test that the type of a value must pass, and the same in words."""

UTC_CAST: Final = 'cast it to timestamp("ms", "UTC")'
HINTS: Final[tuple[tuple[Test, str], ...]] = (
    (types.is_decimal, "cast it to double"),
    (types.is_date, "cast it to text, or to a number"),
    (types.is_timestamp, "cast it to int64"),
    (types.is_duration, "cast it to int64"),
    (types.is_time, "cast it to int64"),
    (types.is_binary, "cast it to string"),
    (types.is_large_binary, "cast it to string"),
    (types.is_nested, "one field for each value"),
)
"""What to do with a column of a wrong type, unless its name suggests something better."""


def expect_column(name: str, arrow_type: Type) -> None:
    """Raises MalformedError if a column of this name must not have this type."""
    if name in COLUMNS:
        _expect(name, f"$.{name}", arrow_type, *COLUMNS[name])
        return
    test, expected = NESTED[name]
    if types.is_map(arrow_type) and name != "consent":
        if not _is_text(arrow_type.key_type):
            raise MalformedError(f"keys of {_quoted(arrow_type.key_type)}; expected text - at `$.{name}`")
        _expect(name, f"$.{name}[...]", arrow_type.item_type, test, expected)
        return
    if not types.is_struct(arrow_type):
        what = "a struct" if name == "consent" else "a struct or a map"
        hint = ": its JSON has to be parsed" if _is_text(arrow_type) else ""
        raise MalformedError(f"a column of {_quoted(arrow_type)}; expected {what}{hint} - at `$.{name}`")
    names = [field.name for field in arrow_type]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise MalformedError(f"two fields `{twice[:200]}` - at `$.{name}`", f"$.{name}")
    for field in arrow_type:
        if name != "consent" or field.name in ("review", "learn"):
            _expect(name, f"$.{name}.{field.name}", field.type, test, expected)


def _expect(name: str, path: str, arrow_type: Type, test: Test, expected: str) -> None:
    if not test(arrow_type):
        hint = _hint(name, arrow_type, expected)
        ending = f": {hint}" if hint else ""
        raise MalformedError(f"a column of {_quoted(arrow_type)}; expected {expected}{ending} - at `{path}`", path)


def _hint(name: str, arrow_type: Type, expected: str) -> str:
    if name == "time":
        return "name its zone, UTC where it has none" if types.is_timestamp(arrow_type) else UTC_CAST
    if name == "prediction" and (types.is_floating(arrow_type) or types.is_decimal(arrow_type)):
        return "cast it to int64, or to string where labels have decimals"
    if expected == TEXT and types.is_primitive(arrow_type):
        return "cast it to string"
    if expected == "numbers" and _is_text(arrow_type):
        return "cast it to double"
    return next((hint for test, hint in HINTS if test(arrow_type)), "")


def _quoted(arrow_type: Type) -> str:
    return str(arrow_type)[:TYPE_CHARS_MAX]
