"""Where an INSERT's data begins, which format was asked for, what is hidden in strings and comments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.sql_text import StatementKind, read_statement, tokens


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        (b"SELECT 1", StatementKind.READ, ""),
        (b"  /* FORMAT CSV */ select 1 format JSON;", StatementKind.READ, "JSON"),
        (b"SELECT 'x FORMAT CSV'", StatementKind.READ, ""),
        (b"SELECT (SELECT 1 FORMAT TSV)", StatementKind.READ, ""),
        (b"-- INSERT\nWITH 1 AS a SELECT a FORMAT Native SETTINGS max_threads = 1", StatementKind.READ, "Native"),
        (b"SET max_threads = 1", StatementKind.SESSION, ""),
        (b"CREATE TABLE t (a Int8) ENGINE = Memory", StatementKind.CHANGE, ""),
        (b"", StatementKind.CHANGE, ""),
    ],
)
def test_kind_and_format(text: bytes, kind: StatementKind, wanted: str) -> None:
    """The first word says the kind; FORMAT counts only outside brackets, strings and comments."""
    statement = read_statement(text)
    assert (statement.kind, statement.format, statement.insert) == (kind, wanted, None)


@pytest.mark.parametrize(
    ("text", "head", "wanted", "data"),
    [
        (b'INSERT INTO t FORMAT JSONEachRow\n{"a":1}', "INSERT INTO t", "JSONEachRow", b'{"a":1}'),
        (b"INSERT INTO t (a, format) FORMAT CSV \r\n1,2;\n", "INSERT INTO t (a, format)", "CSV", b"1,2;\n"),
        (b"insert into t format Native\n\n\x00\x01", "insert into t", "Native", b"\n\x00\x01"),
        (b"INSERT INTO t (a) VALUES (1), ('x; y')", "INSERT INTO t (a)", "Values", b" (1), ('x; y')"),
        (b"INSERT INTO t (a)", "INSERT INTO t (a)", "", b""),
        (
            b"INSERT INTO t SETTINGS async_insert=0 FORMAT TSV\n1",
            "INSERT INTO t SETTINGS async_insert=0",
            "TSV",
            b"1",
        ),
    ],
)
def test_insert_is_cut_where_its_data_begins(text: bytes, head: str, wanted: str, data: bytes) -> None:
    """Head, format and data of an INSERT come apart, and nothing of the data is lost or read as SQL."""
    statement = read_statement(text)
    assert statement.kind is StatementKind.INSERT
    assert statement.insert is not None
    assert (statement.insert.head, statement.insert.format, statement.insert.data) == (head, wanted, data)


def test_insert_from_a_query_has_no_data() -> None:
    """INSERT … SELECT runs as it is."""
    assert read_statement(b"INSERT INTO t SELECT 1 FORMAT CSV").insert is None


@pytest.mark.parametrize("text", [b"SELECT 1; SELECT 2", b"INSERT INTO t SELECT 1; DROP TABLE t", b"SET a=1;SELECT 2"])
def test_several_statements_are_seen(text: bytes) -> None:
    """A second statement after the semicolon is noticed."""
    assert read_statement(text).several


@pytest.mark.parametrize("text", [b"SELECT 1;", b"SELECT ';'", b"SELECT 1; -- done\n", b"SELECT $x$ ; SELECT $x$"])
def test_one_statement_is_one(text: bytes) -> None:
    """A semicolon at the end, in a string, in a heredoc or before a comment is no second statement."""
    assert not read_statement(text).several


@pytest.mark.parametrize("text", [b"SELECT 1 INTO /* x */ OUTFILE 'f'", b"INSERT INTO t FROM INFILE 'f' FORMAT CSV"])
def test_files_of_a_command_line_client_are_seen(text: bytes) -> None:
    """INTO OUTFILE and FROM INFILE are marked."""
    assert read_statement(text).client_file


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    """No input makes the reader fail, and tokens are in order and do not overlap."""
    read_statement(data)
    ends = [0]
    for token in tokens(data):
        assert token.start >= ends[-1]
        ends.append(token.end)


@settings(max_examples=50)
@given(st.binary(max_size=300), st.sampled_from(["JSONEachRow", "Native", "ArrowStream"]))
def test_data_survives_whatever_it_is(data: bytes, wanted: str) -> None:
    """What follows FORMAT and a line break is the data, byte for byte."""
    insert = read_statement(b"INSERT INTO `a``b` (`format`) FORMAT " + wanted.encode() + b"\n" + data).insert
    assert insert is not None
    assert insert.data == data
