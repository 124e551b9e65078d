"""A file as a table of raw columns: Parquet, CSV, JSON or Arrow by its name, which is checked by its first bytes."""

from __future__ import annotations

import pathlib
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from watchloop.errors import WrongTable
from watchloop.recorded.cells.index_columns import kept_index
from watchloop.recorded.cells.plain_columns import is_time_type
from watchloop.recorded.files.csv_files import check_unique, parsed_csv
from watchloop.recorded.files.json_files import parsed_json
from watchloop.recorded.words import REASON_CHARS_MAX, listed, quoted

__all__ = ["COLUMNS_MAX", "is_untyped", "read_file"]

COLUMNS_MAX: Final = 20_000
"""More columns are refused; a prediction has at most 1,000 features."""

FORMATS: Final = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".json": "JSON",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
}
COMPRESSED: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
BEGINNINGS: Final = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow"),
    (b"FEA1", "Feather V1"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bz2"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "HDF5"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
)
TEXT_BEGINNINGS: Final = {b"{": "JSON", b"[": "JSON", b"<": "HTML or XML", b"%PDF": "a PDF"}
BEGINNING_BYTES: Final = 16


def is_untyped(path: pathlib.Path) -> bool:
    """Whether a file of that name is CSV, which has no types, so that numbers must be recognised in its texts."""
    return _suffix_of(path)[0] in (".csv", ".tsv")


def read_file(path: pathlib.Path, notes: list[str]) -> Any:
    """A pyarrow.Table with at least one row and unique column names. Raises WrongTable.

    ``notes`` gets a line for each thing that was read in a way the user may not expect.
    """
    if path.is_dir():
        raise WrongTable("is a folder; expected a file")
    table_format, compression = _format_of(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING_BYTES)
        if not beginning:
            raise WrongTable("is empty")
        _check_beginning(beginning, compression or table_format)
        rows = _read(path, table_format, compression, notes)
        _check_names(rows.column_names)
        if rows.num_rows == 0:
            raise WrongTable("has no rows")
        rows.validate(full=True)
    except FileNotFoundError as error:
        raise WrongTable("there is no such file") from error
    except PermissionError as error:
        raise WrongTable("may not be read: permission denied") from error
    except (pa.ArrowException, OSError, EOFError, ValueError, MemoryError) as error:
        raise WrongTable(f"not readable as {table_format}: {_reason(error)}") from error
    return rows


def _format_of(path: pathlib.Path) -> tuple[str, str | None]:
    suffix, compression = _suffix_of(path)
    table_format = FORMATS.get(suffix)
    if table_format is None or (compression and table_format not in ("CSV", "JSON")):
        known = ", ".join(FORMATS)
        raise WrongTable(f"unknown kind of file; expected one of {known} (CSV and JSON also with .gz, .zst or .bz2)")
    return table_format, compression


def _suffix_of(path: pathlib.Path) -> tuple[str, str | None]:
    """The suffix that gives the format, and the compression that a further suffix gives."""
    compression = COMPRESSED.get(path.suffix.lower())
    return (path.with_suffix("") if compression else path).suffix.lower(), compression


def _check_beginning(beginning: bytes, expected: str) -> None:
    """Raise WrongTable where the first bytes of a file show that it is something else than its name says."""
    actual = next((what for mark, what in BEGINNINGS if beginning.startswith(mark)), None)
    if actual is None and expected in ("CSV", "JSON"):
        text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
        actual = next((what for mark, what in TEXT_BEGINNINGS.items() if text.startswith(mark)), None)
    if actual == expected or (actual is None and expected in ("CSV", "JSON")):
        if expected == "CSV" and b"\0" in beginning and not beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
            is_wide = not beginning.strip(b"\0")[1:2].strip(b"\0")
            hint = ", or UTF-16 without its mark; expected UTF-8 (iconv -f UTF-16LE -t UTF-8 may make it so)"
            raise WrongTable(f"not readable as CSV: it is binary{hint if is_wide else ''}")
        return
    what = actual or "something else"
    hint = (
        "" if actual is None else "; name it as what it is" if actual in FORMATS.values() else "; write it as Parquet"
    )
    if actual in COMPRESSED.values():
        hint = f"; name it with {next(end for end, name in COMPRESSED.items() if name == actual)} at the end"
    raise WrongTable(f"not readable as {expected}: it begins like {what}{hint}")


def _read(path: pathlib.Path, table_format: str, compression: str | None, notes: list[str]) -> Any:
    if table_format == "Parquet":
        # In nanoseconds, which are usual for times of 96 bits, those beyond 2262 would wrap.
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            _check_names(file.schema_arrow.names)
            return _without_index(file.read(), notes)
    if table_format == "Arrow":
        return _without_index(_read_arrow(path), notes)
    data = _bytes_of(path, compression)
    if not data.strip():
        raise WrongTable("is empty")
    if table_format == "CSV":
        return parsed_csv(data, "\t" if _suffix_of(path)[0] == ".tsv" else ",")
    return parsed_json(data, notes)


def _read_arrow(path: pathlib.Path) -> Any:
    with pa.memory_map(str(path)) as source:
        if source.read(6) == b"ARROW1":
            return pa.ipc.open_file(source).read_all()
        source.seek(0)
        return pa.ipc.open_stream(source).read_all()


def _bytes_of(path: pathlib.Path, compression: str | None) -> bytes:
    with pa.input_stream(str(path), compression=compression) as source:
        return bytes(source.read())


def _without_index(rows: Any, notes: list[str]) -> Any:
    """The table without an unnamed index that pandas kept as a column, unless it holds times."""
    names = [name for name in kept_index(rows) if not is_time_type(rows.schema.field(name).type)]
    if names and len(names) < rows.num_columns:
        notes.append(f"column {listed(names)} is the index that pandas kept, and is left out")
        return rows.drop_columns(names)
    return rows


def _check_names(names: list[str]) -> None:
    if len(names) > COLUMNS_MAX:
        raise WrongTable(f"has {len(names)} columns; at most {COLUMNS_MAX} are read")
    check_unique(names)


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return quoted(lines[0], REASON_CHARS_MAX) if lines else type(error).__name__
