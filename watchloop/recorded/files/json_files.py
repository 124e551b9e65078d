"""JSON files, with an object on each line or one array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from schemas.json_text.errors import UNREADABLE
from schemas.json_text.parts import elements_apart
from schemas.json_text.reasons import reason_of
from schemas.wire.prediction import label_text
from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import WHOLE_DIGITS_MAX, note_lost_digits, whole_numbers
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

ASSIGNED: Final = re.compile(rb'"\s*:')
"""The end of every name in an object. Within a text it is rare: it takes a colon behind an escaped quote."""

_decoder: Final = msgspec.json.Decoder()


def parsed_json(data: bytes, notes: list[str]) -> Any:
    """A pyarrow.Table with a column for every name, null in rows without that name. Raises WrongTable.

    A column that mixes texts, numbers and truth values becomes text, and ``notes`` says so.
    """
    rows = _rows(data.removeprefix(b"\xef\xbb\xbf"))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column(name, [row.get(name) for row in rows], notes) for name in names})


def _rows(data: bytes) -> list[dict[str, Any]]:
    try:
        start = data.lstrip()[:1]
        rows = _decoder.decode(data) if start == b"[" else _decoder.decode_lines(data)
    except UNREADABLE as error:
        raise WrongTable(
            f"not readable as JSON: {_where(data)}{quoted(reason_of(error, data), REASON_CHARS_MAX)}"
        ) from error
    if len(rows) == 1 and isinstance(rows[0], dict) and rows[0] and _is_columnar(rows[0]):
        what = _envelope(rows[0]) or "is one JSON object of columns"
        raise WrongTable(f"{what}; expected one object a line for each row, or an array of them")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise WrongTable(f"row {number}: {quoted(str(row))} is no JSON object; expected one object a row")
    if sum(1 for _ in ASSIGNED.finditer(data)) != _names_in(rows):
        _check_names_once(data)
    return rows


def _names_in(value: Any) -> int:
    """The number of names in all objects of a decoded value; a repeated name counts once, as decoding keeps one."""
    if isinstance(value, dict):
        return len(value) + sum(_names_in(inner) for inner in value.values() if isinstance(inner, dict | list))
    return sum(_names_in(inner) for inner in value if isinstance(inner, dict | list))


def _check_names_once(data: bytes) -> None:
    """Raise WrongTable where an object repeats a name: it would not be clear which value counts."""
    for where, text in _texts_of_rows(data):
        try:
            json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)
        except _TwiceError as error:
            raise WrongTable(
                f"{where}: {quoted(error.name)} stands twice in one object; expected each name once"
            ) from None
        except (ValueError, RecursionError) as error:
            raise WrongTable(f"{where}: not readable as JSON: {quoted(str(error), REASON_CHARS_MAX)}") from error


def _texts_of_rows(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The JSON text of each row, with its line or row number for messages."""
    if data.lstrip()[:1] == b"[":
        for number, raw in enumerate(msgspec.json.decode(data, type=list[msgspec.Raw])):
            yield f"row {number}", bytes(raw)
        return
    for number, line in enumerate(data.split(b"\n")):
        if line.strip():
            yield f"line {number + 1}", line


class _TwiceError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in row if names.count(name) > 1))
    return row


def _is_columnar(row: dict[str, Any]) -> bool:
    return all(isinstance(value, list | dict) for value in row.values())


def _envelope(row: dict[str, Any]) -> str:
    """The beginning of the message where the rows seem to stand within one object."""
    within = [name for name, value in row.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return f"is one JSON object, with the rows perhaps in {quoted(within[0])}" if within else ""


def _where(data: bytes) -> str:
    """The number of the first line that is no JSON, or, in an array, of the first row; empty where it is unknown."""
    if data.lstrip()[:1] == b"[":
        rows = elements_apart(data.strip(), data.count(b",") + 1) or []
        return next((f"row {number}: " for number, row in enumerate(rows) if not _decodes(row)), "")
    lines = enumerate(data.splitlines(), 1)
    return next((f"line {number}: " for number, line in lines if line.strip() and not _decodes(line)), "")


def _decodes(text: bytes) -> bool:
    try:
        _decoder.decode(text)
    except UNREADABLE:
        return False
    return True


def _column(name: str, values: list[Any], notes: list[str]) -> Any:
    value_types = {type(value) for value in values} - {type(None)}
    if value_types == {int, float}:
        return _doubles(name, values, notes)
    if value_types == {int}:
        numbers = whole_numbers(values)
        return (
            _texts(name, values, f"has a whole number of more than {WHOLE_DIGITS_MAX} digits", notes)
            if numbers is None
            else numbers
        )
    if len(value_types) > 1:
        if value_types & {list, dict}:
            held = ", ".join(sorted({JSON_TYPES[value_type] for value_type in value_types}))
            raise WrongTable(f"column {quoted(name)} holds {held}; expected values of one type")
        return _texts(name, values, "mixes texts, numbers and truth values", notes)
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, ValueError) as error:
        raise WrongTable(f"column {quoted(name)} is not readable: {quoted(str(error).splitlines()[0])}") from error


def _doubles(name: str, values: list[Any], notes: list[str]) -> Any:
    """Whole numbers and floats as doubles; as texts where a whole number is beyond the range of doubles."""
    try:
        doubles = [None if value is None else float(value) for value in values]
    except OverflowError:
        return _texts(name, values, "has a whole number that no double holds", notes)
    pairs = zip(values, doubles, strict=True)
    lost = next((value for value, kept in pairs if type(value) is int and value != int(kept or 0.0)), None)
    if lost is not None:
        note_lost_digits(name, lost, notes)
    return pa.array(doubles, pa.float64())


def _texts(name: str, values: list[Any], what: str, notes: list[str]) -> Any:
    notes.append(f"column {quoted(name)} {what}: all are taken as text")
    return pa.array([None if value is None else _as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        is_exact = value.is_integer() and abs(value) < 2**53  # a larger one would show digits that it does not have
        return str(int(value)) if is_exact else repr(value)
    return label_text(value)
