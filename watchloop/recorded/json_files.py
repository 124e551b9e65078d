"""JSON lines, or one array of objects, as a table."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
import pyarrow as pa

from schemas.codec import UNREADABLE, reason_of
from schemas.prediction import label_text
from watchloop.errors import WrongTable
from watchloop.recorded.words import REASON_CHARS_MAX, quoted

__all__ = ["parsed_json"]

JSON_TYPES: Final = {
    bool: "truth values",
    int: "numbers",
    float: "numbers",
    str: "texts",
    list: "lists",
    dict: "objects",
}

_decoder: Final = msgspec.json.Decoder()


def parsed_json(data: bytes, notes: list[str]) -> Any:
    """A pyarrow.Table with a column for every name, null where a row lacks it. Raises WrongTable.

    A column that mixes texts, numbers and truth values becomes text, and ``notes`` says so.
    """
    rows = _rows(data.removeprefix(b"\xef\xbb\xbf"))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column(name, [row.get(name) for row in rows], notes) for name in names})


def _rows(data: bytes) -> list[dict[str, Any]]:
    try:
        start = data.lstrip()[:1]
        found = _decoder.decode(data) if start == b"[" else _decoder.decode_lines(data)
    except UNREADABLE as error:
        raise WrongTable(
            f"not readable as JSON: {_where(data)}{quoted(reason_of(error, data), REASON_CHARS_MAX)}"
        ) from error
    if len(found) == 1 and isinstance(found[0], dict) and found[0] and _is_columnar(found[0]):
        raise WrongTable("is one JSON object of columns; expected one object a line for each row, or an array of them")
    for number, row in enumerate(found):
        if not isinstance(row, dict):
            raise WrongTable(f"row {number}: {quoted(str(row))} is no JSON object; expected one object a row")
    return found


def _is_columnar(row: dict[str, Any]) -> bool:
    return all(isinstance(value, list | dict) for value in row.values())


def _where(data: bytes) -> str:
    """The first line that is no JSON, where there is one a line."""
    if data.lstrip()[:1] == b"[":
        return ""
    for number, line in enumerate(data.splitlines()):
        try:
            if line.strip():
                _decoder.decode(line)
        except UNREADABLE:
            return f"line {number + 1}: "
    return ""


def _column(name: str, values: list[Any], notes: list[str]) -> Any:
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) > 1 and kinds != {int, float}:
        if kinds & {list, dict}:
            found = ", ".join(sorted({JSON_TYPES[kind] for kind in kinds}))
            raise WrongTable(f"column {quoted(name)} holds {found}; expected values of one type")
        notes.append(f"column {quoted(name)} mixes texts, numbers and truth values: all are taken as text")
        values = [None if value is None else _as_text(value) for value in values]
    try:
        return pa.array(values)
    except OverflowError:
        return _large(name, values)
    except (pa.ArrowException, UnicodeEncodeError, ValueError) as error:
        raise WrongTable(f"column {quoted(name)} is not readable: {quoted(str(error).splitlines()[0])}") from error


def _large(name: str, values: list[Any]) -> Any:
    """Whole numbers that 64 bits with a sign do not hold."""
    for kind in (pa.uint64(), pa.float64()):
        try:
            return pa.array([float(v) if v is not None and kind == pa.float64() else v for v in values], kind)
        except (OverflowError, pa.ArrowException):
            continue
    raise WrongTable(f"column {quoted(name)} has a number that is too large")


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, dt.datetime) else label_text(value)
