"""JSON lines, or one array of objects, as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa

from schemas.codec import UNREADABLE, reason_of
from schemas.json_text.parts import elements_apart
from schemas.wire.prediction import label_text
from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import WHOLE_DIGITS_MAX, tell_of_lost, whole_numbers
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
"""What stands behind every name; within a text it takes an escaped quote, or a text that begins with a colon."""

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
        what = _envelope(found[0]) or "is one JSON object of columns"
        raise WrongTable(f"{what}; expected one object a line for each row, or an array of them")
    for number, row in enumerate(found):
        if not isinstance(row, dict):
            raise WrongTable(f"row {number}: {quoted(str(row))} is no JSON object; expected one object a row")
    if sum(1 for _ in ASSIGNED.finditer(data)) != _names_in(found):
        _check_names_once(data)
    return found


def _names_in(value: Any) -> int:
    """How many names the objects within have; a name that stood twice is there once."""
    if isinstance(value, dict):
        return len(value) + sum(_names_in(one) for one in value.values() if isinstance(one, dict | list))
    return sum(_names_in(one) for one in value if isinstance(one, dict | list))


def _check_names_once(data: bytes) -> None:
    """Raise WrongTable where a name stands twice in an object: which value counts, nobody can tell."""
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
    """The JSON of each row, and where it stands."""
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
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in found if names.count(name) > 1))
    return found


def _is_columnar(row: dict[str, Any]) -> bool:
    return all(isinstance(value, list | dict) for value in row.values())


def _envelope(row: dict[str, Any]) -> str:
    """What to say where the rows stand within an object."""
    within = [name for name, value in row.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return f"is one JSON object, with the rows perhaps in {quoted(within[0])}" if within else ""


def _where(data: bytes) -> str:
    """The first line that is no JSON, where there is one a line; else the first row, where rows can be told apart."""
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
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        return _doubles(name, values, notes)
    if kinds == {int}:
        found = whole_numbers(values)
        return (
            _texts(name, values, f"has a whole number of more than {WHOLE_DIGITS_MAX} digits", notes)
            if found is None
            else found
        )
    if len(kinds) > 1:
        if kinds & {list, dict}:
            held = ", ".join(sorted({JSON_TYPES[kind] for kind in kinds}))
            raise WrongTable(f"column {quoted(name)} holds {held}; expected values of one type")
        return _texts(name, values, "mixes texts, numbers and truth values", notes)
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, ValueError) as error:
        raise WrongTable(f"column {quoted(name)} is not readable: {quoted(str(error).splitlines()[0])}") from error


def _doubles(name: str, values: list[Any], notes: list[str]) -> Any:
    """Numbers of which some are whole."""
    try:
        found = [None if value is None else float(value) for value in values]
    except OverflowError:
        return _texts(name, values, "has a whole number that no double holds", notes)
    pairs = zip(values, found, strict=True)
    lost = next((value for value, kept in pairs if type(value) is int and value != int(kept or 0.0)), None)
    if lost is not None:
        tell_of_lost(name, lost, notes)
    return pa.array(found, pa.float64())


def _texts(name: str, values: list[Any], what: str, notes: list[str]) -> Any:
    notes.append(f"column {quoted(name)} {what}: all are taken as text")
    return pa.array([None if value is None else _as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        is_exact = value.is_integer() and abs(value) < 2**53  # beyond, the digits would look as if they were kept
        return str(int(value)) if is_exact else repr(value)
    return label_text(value)
