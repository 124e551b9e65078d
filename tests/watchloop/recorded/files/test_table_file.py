"""Files are read, or refused in one line that says what is there and what would be right."""

from __future__ import annotations

import gzip
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from watchloop.recorded.columns import split

ROWS = "x,plan,truth,said,sure\n0.5,gold,1,1,0.9\n0.25,basic,0,1,0.6\n"

Read = Callable[..., Any]
Refused = Callable[..., str]


def test_every_format_holds_the_same(read: Read, tmp_path: pathlib.Path) -> None:
    """CSV, JSON lines, JSON arrays, Parquet, Arrow files and streams, Feather, and compressed files."""
    table = pa.table({"x": [0.5, 0.25], "plan": ["gold", "basic"], "truth": [1, 0], "said": [1, 1], "sure": [0.9, 0.6]})
    rows = table.to_pylist()
    lines = "\n".join(map(json.dumps, rows))
    contents: dict[str, Any] = {
        "a.csv": ROWS,
        "bom.csv": b"\xef\xbb\xbf" + ROWS.encode(),
        "blank lines.csv": "\n\r\n" + ROWS.replace("\n", "\n\n"),
        "old mac.csv": ROWS.replace("\n", "\r"),
        "crlf.csv": ROWS.replace("\n", "\r\n"),
        "a.csv.gz": gzip.compress(ROWS.encode()),
        "a.csv.zst": bytes(pa.compress(ROWS.encode(), "zstd", asbytes=True)),
        "a.tsv": ROWS.replace(",", "\t"),
        "quoted.csv": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in ROWS.splitlines()),
        "a.jsonl": lines,
        "bom.jsonl": b"\xef\xbb\xbf" + lines.encode(),
        "a.json": json.dumps(rows),
        "spaced.json": "\n  " + json.dumps(rows, indent=2),
        "a.json.gz": gzip.compress(lines.encode()),
    }
    paths = [tmp_path / name for name in contents]
    for path in paths:
        content = contents[path.name]
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "lz4.feather", compression="lz4")
    pyarrow.feather.write_feather(table, tmp_path / "zstd.arrow", compression="zstd")
    with pa.ipc.new_stream(tmp_path / "stream.arrow", table.schema) as writer:
        writer.write_table(table)
    paths += [tmp_path / name for name in ("a.parquet", "lz4.feather", "zstd.arrow", "stream.arrow")]
    for path in paths:
        source = read(path)
        assert source.table.features(0, 2) == [{"x": 0.5, "plan": "gold"}, {"x": 0.25, "plan": "basic"}], path
        assert (source.truths, source.answers, source.confidences) == (["1", "0"], ["1", "1"], [0.9, 0.6]), path


def test_the_last_suffix_says_what_a_file_is(read: Read, tmp_path: pathlib.Path) -> None:
    """A suffix within the name has no effect: only the last one gives the format."""
    assert read(ROWS, "a.tsv.csv").table.features(0, 1) == [{"x": 0.5, "plan": "gold"}]
    table = pa.table({"x": ["1", "2"], "truth": ["1", "0"], "said": ["1", "1"], "sure": [0.9, 0.6]})
    pq.write_table(table, tmp_path / "a.csv.parquet")
    assert read(tmp_path / "a.csv.parquet").table.features(0, 2) == [{"x": "1"}, {"x": "2"}]


def test_null_of_databases_in_csv(read: Read, tmp_path: pathlib.Path) -> None:
    """An unquoted \\N is an empty cell, so that the column stays a column of numbers; in quotes it is a text."""
    path = tmp_path / "null.csv"
    path.write_text('x,plan,truth,said,sure\n0.5,"\\N",1,1,0.9\n\\N,\\N,0,1,0.6\n')
    assert read(path).table.features(0, 2) == [{"x": 0.5, "plan": "\\N"}, {"x": None, "plan": None}]


def test_a_column_of_numbers_that_is_taken_as_texts_is_noted(read: Read, tmp_path: pathlib.Path) -> None:
    """A word among numbers makes the column text, and the note names the column and the word."""
    path = tmp_path / "words.csv"
    path.write_text("x,plan,truth,said,sure\n0.5,a,1,1,0.9\n0.6,a,1,1,0.9\n0.7,a,1,1,0.9\nunknown,a,0,1,0.6\n")
    notes = [note for note in read(path).notes if "taken as texts" in note]
    assert len(notes) == 1
    assert "'x' is taken as texts: 3 of 4 values are numbers, and others are 'unknown'" in notes[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "is empty"),
        ("a.jsonl", " \n \n", "is empty"),
        ("a.csv", ROWS.splitlines()[0] + "\n", "has no rows"),
        ("a.json", "[]", "has no rows"),
        ("a.csv", ROWS.replace(",", ";"), "separated by a semicolon (';')"),
        ("a.csv", ROWS.replace(",", "\t"), "separated by a tab"),
        ("a.csv", ROWS.replace(",", "|"), "separated by a bar"),
        ("a.csv", ROWS.replace(",", "  "), "separated by blanks"),
        ("a.csv", ROWS.encode("utf-16-le"), "it is binary, or UTF-16 without its mark"),
        ("a.csv", ROWS.encode("utf-32"), "is UTF-32; expected UTF-8"),
        ("a.csv", '"' + ROWS, "a quote is left open in the header"),
        ("a.csv", "report\n" + ROWS, "take away what stands above the names of the columns"),
        ("a.json", '{"rows": [{"x": 1}]}', "is one JSON object, with the rows perhaps in 'rows'"),
        ("a.json", '{"x": 1e400}', "Number out of range; expected one that a double holds, up to 1.8e308"),
        ("a.csv", "sep=;\n" + ROWS.replace(",", ";"), "separated by a semicolon"),
        ("a.csv", "# a comment\n" + ROWS, "row 0: 5 cells where the header has 1"),
        ("a.csv", 'x,note,truth,said,sure\n1,"open,1,1,0.9\n', "a quote left open"),
        ("a.json", '{"x": NaN}', "neither NaN nor infinities"),
        ("a.tsv", ROWS, "separated by a comma"),
        ("a.csv", ROWS.replace("gold", "größer").encode("latin-1"), "line 2: byte 0xf6 is not UTF-8"),
        ("a.csv", ROWS.replace("plan", "größe").encode("cp1252"), "line 1: byte 0xf6 is not UTF-8"),
        ("a.csv", ROWS.encode("utf-16"), "is UTF-16; expected UTF-8"),
        ("a.csv", ROWS.encode("utf-16-le"), "binary"),
        ("a.csv", ROWS + "1,2\n", "row 2: 2 cells where the header has 5"),
        ("a.csv", ROWS.replace("basic", "a,b"), "row 1: 6 cells where the header has 5"),
        ("a.csv", ROWS.replace("plan", "x"), "more than one column is called 'x'"),
        ("a.csv", ROWS.replace("x,plan", ",plan"), "a column has no name"),
        ("a.csv", ROWS.replace("x,plan", "  ,plan"), "a column has no name"),
        ("a.csv", b"PAR1" + bytes(40), "begins like Parquet"),
        ("a.csv", gzip.compress(ROWS.encode(), mtime=0), "name it with .gz at the end"),
        ("a.csv.gz", ROWS, "not readable as gzip"),
        ("a.csv", '[{"x": 1}]', "begins like JSON"),
        ("a.csv", ' {"x": 1}', "begins like JSON"),
        ("a.csv", "<!DOCTYPE html><table>", "begins like HTML or XML"),
        ("a.json", "<table>", "begins like HTML or XML"),
        ("a.json", ROWS, "line 1"),
        ("a.csv.gz", gzip.compress(ROWS.encode() * 100, mtime=0)[:-20], "not readable"),
        ("a.json", '{"columns": ["x"], "index": [0], "data": [[1]]}', "one object a line"),
        ("a.csv", b"PK\x03\x04" + bytes(40), "Excel"),
        ("a.parquet", ROWS, "not readable as Parquet"),
        ("a.parquet", b"PAR1" + bytes(40), "not readable as Parquet"),
        ("a.arrow", b"ARROW1\0\0" + bytes(40), "not readable as Arrow"),
        ("a.arrow", b"\xff\xff\xff\xff" + bytes(40), "not readable as Arrow"),
        ("a.json", '{"x": [1, 2], "truth": [0, 1]}', "one object a line"),
        ("a.json", '{"x": 1}\n{"x": \n', "line 2"),
        ("a.json", "[1, 2]", "row 0: '1' is no JSON object"),
        (
            "a.json",
            '[{"x": 0},\n {"x": NaN}, {"x": 1}]\n',
            "row 1: 'NaN (byte 18): JSON has neither NaN nor infinities",
        ),
        ("a.jsonl", '{"x": 0}\n{"x": NaN}\n', "line 2: 'NaN (byte "),
        ("a.jsonl", '{"x": 0}\n\n{"x": 1, "y": ":", "\\u0078": 2}', "line 3: 'x' stands twice in one object"),
        ("a.json", '[{"x": 0}, {"x" : 1, "x"\n: 1}]', "row 1: 'x' stands twice in one object"),
        ("a.jsonl", '{"x": 1, "n": {"k": 1, "k": 2}}', "line 1: 'k' stands twice in one object"),
        ("a.json", '{"x": "\\ud800"}', "not readable"),
        ("a.json", "[" * 50_000, "nested too deeply"),
        ("a.xlsx", ROWS, "unknown kind of file"),
        ("a", ROWS, "unknown kind of file"),
        ("a.parquet.gz", ROWS, "unknown kind of file"),
    ],
)
def test_what_is_no_table_is_said(refused: Refused, name: str, content: Any, says: str) -> None:
    """A file that is no table is refused in one line that begins with its name."""
    message = refused(content, name)
    assert says in message
    assert f"{name}: " in message


def test_a_folder_and_a_file_that_is_not_there(refused: Refused, tmp_path: pathlib.Path) -> None:
    """A folder with the name of a table, and a missing file, are refused."""
    (tmp_path / "parts.parquet").mkdir()
    assert "is a folder; expected a file" in refused(tmp_path)
    assert "is a folder; expected a file" in refused(tmp_path / "parts.parquet")
    assert "there is no such file" in refused(tmp_path / "gone.csv")


def test_columns_of_the_same_name_in_binary_formats(refused: Refused, tmp_path: pathlib.Path) -> None:
    """Two columns with the same name are refused, which Parquet and Arrow allow."""
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(twice.rename_columns(["x", "y"]), tmp_path / "b.arrow")
    with pa.ipc.new_file(tmp_path / "b.arrow", twice.schema) as writer:
        writer.write_table(twice)
    assert "more than one column is called 'x'" in refused(tmp_path / "a.parquet")
    assert "more than one column is called 'x'" in refused(tmp_path / "b.arrow")


def test_quoted_newlines_across_blocks(read: Read) -> None:
    """A file of several blocks, with texts that have line ends and quotes."""
    row = '0.5,"line one\nline ""two"", three",1,1,0.9\r\n'
    source = read("x,note,truth,said,sure\r\n" + row * 60_000)
    assert len(source) == 60_000
    assert source.table.features(59_999, 60_000)[0]["note"] == 'line one\nline "two", three'


def test_the_index_of_pandas_is_no_feature(read: Read, tmp_path: pathlib.Path) -> None:
    """``Unnamed: 0`` and ``__index_level_0__`` are left out with a note; an index with a name is a column."""
    frame = pd.DataFrame({"x": [0.5, 1.5], "truth": [1, 0], "said": [1, 1], "sure": [0.9, 0.8]}, index=[7, 9])
    frame.to_parquet(tmp_path / "index.parquet")
    frame.rename_axis("customer").to_parquet(tmp_path / "named.parquet")
    frame.reset_index(names="Unnamed: 0").to_csv(tmp_path / "unnamed.csv", index=False)
    for name in ("index.parquet", "unnamed.csv"):
        source = read(tmp_path / name)
        assert source.table.feature_names == ("x",), name
        assert any("pandas" in note for note in source.notes), name
    assert read(tmp_path / "named.parquet").table.feature_names == ("x", "customer")
    assert read("x,Unnamed: 0,truth,said,sure\n1,5,1,1,0.9\n", features=("x", "Unnamed: 0")).table.feature_names == (
        "x",
        "Unnamed: 0",
    )


def test_names_with_blanks_commas_and_nothing(read: Read, refused: Refused) -> None:
    """Names are matched exactly or without blanks around; a comma may stand in quotes; an empty one can be dropped."""
    text = ' x,"a,b", truth,said,sure,\n1,2,1,1,0.9,7\n3,4,0,1,0.8,8\n'
    for given in (" x", "x", '" x"'):
        assert read(text, features=split(given), label=" truth").table.feature_names == (" x",)
    assert read(text, features=split("a,b"), label="truth").table.feature_names == ("a,b",)
    assert read(text, features=split('x,"a,b"'), label="truth").table.feature_names == (" x", "a,b")
    assert read(text, drop=split('"",x'), label="truth").table.feature_names == ("a,b",)
    assert "has no name" in refused(text, label="truth")
    assert "did you mean 'said'" in refused(text, label="truth", prediction="Said")
    assert "--features names no column" in refused(text, label="truth", features=split(" , "))


@pytest.mark.parametrize("text", ['":', ': "', '\\":', '{"x": 1, "x": 2}'])
def test_what_looks_like_a_name_within_a_text_is_none(read: Read, text: str) -> None:
    """Colons and quotes in texts and names are not taken for repeated names."""
    row = {"x": text, text: 1.5, "truth": 1, "said": 1, "sure": 0.5}
    assert read(json.dumps(row) + "\n" + json.dumps({**row, "truth": 0}), "a.jsonl").table.feature_names == ("x", text)
