"""Which Arrow types a prediction's columns may have, and how a column of another one becomes one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pyarrow import types

from schemas.codec import MalformedError

__all__ = ["COLUMNS", "NESTED", "Type", "expect_column"]

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
"""Columns of plain values: what their type must be, and that in words. The types are those that ``plain`` leaves."""
NESTED: Final[dict[str, tuple[Test, str]]] = {
    "features": (_is_scalar, "numbers, text or booleans"),
    "probabilities": (_is_number, "numbers"),
    "slices": (lambda kind: _is_text(kind) or bool(types.is_null(kind)), TEXT),
    "consent": (_is_consent, "booleans"),
}
"""Columns of values by name, and what each of these may be."""

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
"""What to do with a column of a type, where its name does not say more."""


def expect_column(name: str, kind: Type) -> None:
    """Raise MalformedError where a column of that name may not be of that type."""
    if name in COLUMNS:
        _expect(name, f"$.{name}", kind, *COLUMNS[name])
        return
    test, expected = NESTED[name]
    if types.is_map(kind) and name != "consent":
        if not _is_text(kind.key_type):
            raise MalformedError(f"keys of {_quoted(kind.key_type)}; expected text - at `$.{name}`")
        _expect(name, f"$.{name}[...]", kind.item_type, test, expected)
        return
    if not types.is_struct(kind):
        what = "a struct" if name == "consent" else "a struct or a map"
        hint = ": its JSON has to be parsed" if _is_text(kind) else ""
        raise MalformedError(f"a column of {_quoted(kind)}; expected {what}{hint} - at `$.{name}`")
    names = [field.name for field in kind]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise MalformedError(f"two fields `{twice[:200]}` - at `$.{name}`", f"$.{name}")
    for field in kind:
        if name != "consent" or field.name in ("review", "learn"):
            _expect(name, f"$.{name}.{field.name}", field.type, test, expected)


def _expect(name: str, path: str, kind: Type, test: Test, expected: str) -> None:
    if not test(kind):
        hint = _hint(name, kind, expected)
        told = f": {hint}" if hint else ""
        raise MalformedError(f"a column of {_quoted(kind)}; expected {expected}{told} - at `{path}`", path)


def _hint(name: str, kind: Type, expected: str) -> str:
    if name == "time":
        return "name its zone, UTC where it has none" if types.is_timestamp(kind) else UTC_CAST
    if name == "prediction" and (types.is_floating(kind) or types.is_decimal(kind)):
        return "cast it to int64, or to string where labels have decimals"
    if expected == TEXT and types.is_primitive(kind):
        return "cast it to string"
    if expected == "numbers" and _is_text(kind):
        return "cast it to double"
    return next((hint for test, hint in HINTS if test(kind)), "")


def _quoted(kind: Type) -> str:
    return str(kind)[:TYPE_CHARS_MAX]
