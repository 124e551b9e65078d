"""Where an INSERT's data begins, which format was asked for, what is hidden in strings and comments."""

from __future__ import annotations

import re
import re._parser as sre_parse
from collections.abc import Iterator
from re._parser import SubPattern
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.clickhouse import sql_text
from embedded.clickhouse.sql_text import StatementKind, read_statement, tokens


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


def test_words_and_heredocs_as_the_engine_has_them() -> None:
    """A word goes on over dollar signs; a heredoc begins where no word does and has an end; comments nest."""
    text = b"SELECT {a$b$:String}, file('x'), {a$b$:String}, $t$ ( $t$, $u$ /* /* */ ; */ 'x' // ;"
    pieces = [token.text for token in tokens(text)]
    assert pieces[1:6] == ["{", "a$b$", ":", "String", "}"]
    assert "file" in pieces
    assert pieces[-4:] == ["$t$ ( $t$", ",", "$u$", "'x'"]


def _repeats(pattern: Any) -> Iterator[tuple[str, int]]:
    """Every repetition of a regular expression: what sort it is and how often it repeats at most."""
    for operation, argument in pattern:
        if str(operation).endswith("REPEAT"):
            yield str(operation), int(argument[1])
        parts = argument if isinstance(argument, tuple | list) else (argument,)
        for part in parts:
            inner = part if isinstance(part, list) else [part]
            for item in inner:
                if isinstance(item, SubPattern):
                    yield from _repeats(item)


PATTERNS = {name: value for name, value in vars(sql_text).items() if isinstance(value, re.Pattern)}


@pytest.mark.parametrize("name", PATTERNS)
def test_no_byte_is_tried_twice_within_a_piece(name: str) -> None:
    """Every repetition of the tokeniser's expressions is possessive: what it took it does not give back."""
    pattern = PATTERNS[name]
    repeats = list(_repeats(sre_parse.parse(pattern.pattern, pattern.flags)))
    assert {sort for sort, most in repeats if most > 1} <= {"POSSESSIVE_REPEAT"}


class Counting:
    """A regular expression that counts the bytes that it was asked to look at."""

    looked_at = 0

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern

    def match(self, text: bytes, start: int) -> re.Match[bytes] | None:
        match = self.pattern.match(text, start)
        Counting.looked_at += 1 + (match.end() - start if match else 0)
        return match

    def finditer(self, text: bytes, start: int) -> Iterator[re.Match[bytes]]:
        at = start
        for match in self.pattern.finditer(text, start):
            Counting.looked_at += 1 + match.end() - at
            at = match.end()
            yield match
        Counting.looked_at += len(text) - at


UNITS = [
    b"/*",
    b"'",
    b"`",
    b'"',
    b"$a",
    b"$$",
    b"$a$b",
    b"a$",
    b"/*/",
    b"*/",
    b"(",
    b"--",
    b"#",
    b"\\",
    b"'\\",
    b"''",
    b"1$a$",
]


@pytest.mark.parametrize("unit", [*UNITS, b" $%d$"])
def test_reading_is_linear(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the text is at most twice the work, whatever is opened and never closed."""
    for name, pattern in PATTERNS.items():
        monkeypatch.setattr(sql_text, name, Counting(pattern))
    counts = []
    for size in (4_000, 8_000):
        text = b"".join(unit % n if b"%d" in unit else unit for n in range(size))[:size]
        Counting.looked_at = 0
        assert list(tokens(b"SELECT " + text))
        counts.append(Counting.looked_at)
    assert counts[1] <= 2.2 * counts[0]
    assert counts[1] <= 5 * size


def test_nothing_behind_the_bound_is_read() -> None:
    """A statement is looked at up to the bound of its size; an INSERT's data is whole all the same."""
    data = b"1\n" * 1_000
    insert = read_statement(b"INSERT INTO t FORMAT CSV\n" + data, 100).insert
    assert insert is not None
    assert insert.data == data
    assert not read_statement(b"SELECT 1" + b" " * 100 + b"; SELECT 2", 100).several


def test_what_lives_in_a_session_is_known() -> None:
    """Settings, transactions and temporary tables belong to a session; a table with such a name does not."""
    for sql in (
        "SET a = 1",
        "USE d",
        "BEGIN TRANSACTION",
        "CREATE TEMPORARY TABLE t (a Int8)",
        "create /* x */ or replace temporary table t (a Int8)",
        "REPLACE TEMPORARY TABLE t (a Int8)",
    ):
        assert read_statement(sql.encode()).kind is StatementKind.SESSION, sql
    for sql in (
        "CREATE TABLE temporary (a Int8)",
        "CREATE OR REPLACE TABLE t (a Int8)",
        "CREATE `TEMPORARY`",
        "CREATE",
    ):
        assert read_statement(sql.encode()).kind is StatementKind.CHANGE, sql
    assert read_statement(b"CREATE TABLE t (a Int8); SELECT 1").several
