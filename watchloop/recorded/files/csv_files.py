"""CSV files: every cell is read as text, so that a column gets its type only after it has its role."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections import Counter
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pacsv

from watchloop.errors import WrongTable
from watchloop.recorded.words import listed, quoted

__all__ = ["check_unique", "parsed_csv"]

SEPARATORS: Final = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
BLOCK_BYTES_MIN: Final = 1024 * 1024
BLOCK_BYTES_MAX: Final = 64 * 1024 * 1024
"""A cell lies within one block, so this also limits the length of a cell."""

CHECK_BYTES: Final = 4 * 1024 * 1024
UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parsed_csv(data: bytes, separator: str) -> Any:
    """A pyarrow.Table of text; an unquoted cell that is empty or ``\\N`` (NULL of databases) is null.

    Raises WrongTable.
    """
    _check_utf8(data)
    names = _header(data, separator)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=["", r"\N"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        return _parse(data, separator, convert, threads=True)
    except pa.ArrowInvalid as error:
        raise _explained(data, separator, convert, names, error) from error


def _parse(data: bytes, separator: str, convert: Any, *, threads: bool, wrong: list[Any] | None = None) -> Any:
    def notice(row: Any) -> str:
        if wrong is not None:
            wrong.append(row)
        return "error"

    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(
            block_size=min(max(len(data), BLOCK_BYTES_MIN), BLOCK_BYTES_MAX), use_threads=threads
        ),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=notice),
        convert_options=convert,
    )


def _explained(data: bytes, separator: str, convert: Any, names: list[str], error: Exception) -> WrongTable:
    """The error with the number of the first wrong row. Parses again, without threads, as these count no rows."""
    wrong: list[Any] = []
    with contextlib.suppress(pa.ArrowInvalid):
        _parse(data, separator, convert, threads=False, wrong=wrong)
    if not wrong:
        return WrongTable(f"not readable as CSV: {quoted(str(error).splitlines()[0])}")
    row = wrong[0]
    at = "" if row.number is None else f"row {row.number - 2}: "
    has_few = row.actual_columns < row.expected_columns
    hint = "a quote left open, or a line cut off" if has_few else f"a text with {SEPARATORS[separator]} not in quotes"
    cells = f"{row.actual_columns} cells where the header has {row.expected_columns}"
    if len(names) == 1:
        first = f"the first line is {quoted(names[0])}: take away what stands above the names of the columns"
        return WrongTable(f"{at}{cells}: {quoted(row.text)}; {first}")
    return WrongTable(f"{at}{cells}: {quoted(row.text)}; is there {hint}?")


def _check_utf8(data: bytes) -> None:
    if data.startswith(UTF32):
        raise WrongTable("is UTF-32; expected UTF-8 (iconv -f UTF-32 -t UTF-8 makes it so)")
    if data.startswith(UTF16):
        raise WrongTable("is UTF-16; expected UTF-8 (iconv -f UTF-16 -t UTF-8 makes it so)")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), CHECK_BYTES):
        chunk = data[start : start + CHECK_BYTES]
        try:
            decoder.decode(chunk, final=start + CHECK_BYTES >= len(data))
        except UnicodeDecodeError as error:
            held = len(error.object) - len(chunk)
            at = start - held + error.start
            line = data.count(b"\n", 0, at) + 1
            raise WrongTable(
                f"line {line}: byte 0x{data[at]:02x} is not UTF-8 (Latin-1 or Windows-1252, perhaps); expected UTF-8"
                " (iconv -f WINDOWS-1252 -t UTF-8 makes it so)"
            ) from error


def _header(data: bytes, separator: str) -> list[str]:
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    try:
        names = next(filter(None, csv.reader(text, delimiter=separator)), [])
    except csv.Error as error:
        raise WrongTable(f"the header is not readable as CSV: {error}") from error
    _check_separator(names, separator)
    check_unique(names)
    return names


def check_unique(names: list[str]) -> None:
    """Raise WrongTable where several columns have the same name."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise WrongTable(f"more than one column is called {listed(map(quoted, repeated))}; give each a name of its own")


def _check_separator(names: list[str], separator: str) -> None:
    if any(separator in name and "\n" in name for name in names):
        raise WrongTable(f"a quote is left open in the header: {quoted(separator.join(names))}")
    within = Counter(char for name in names for char in name if char in SEPARATORS and char != separator)
    other, count = within.most_common(1)[0] if within else ("", 0)
    if count > len(names) - 1:
        example = quoted(separator.join(names))
        raise WrongTable(
            f"its columns seem to be separated by {SEPARATORS[other]} ({quoted(other)}): {example}; expected"
            f" {SEPARATORS[separator]}, and points in decimal numbers"
            + ("; a file with tabs may be called .tsv" if other == "\t" else "")
        )
    words = names[0].split(" ") if len(names) == 1 else []
    if len(words) > 2 and not words[0].startswith("#"):
        raise WrongTable(
            f"its columns seem to be separated by blanks: {quoted(names[0])}; expected {SEPARATORS[separator]}"
        )
