"""Just enough of ClickHouse's grammar to serve HTTP: where an INSERT's data begins, which format was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["Insert", "Statement", "StatementKind", "Token", "read_statement", "tokens"]

_TOKEN = re.compile(
    rb"""
      (?P<space> \s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?\*/ )
    | (?P<string> '(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<quoted> `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number> [0-9][0-9A-Za-z_.]* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


class StatementKind(Enum):
    """What the server has to know of a statement before it runs."""

    READ = "read"
    INSERT = "insert"
    SESSION = "session"
    CHANGE = "change"


READ_WORDS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "FROM", "CHECK", "("})
SESSION_WORDS = frozenset({"SET", "USE", "BEGIN", "COMMIT", "ROLLBACK", "START"})


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: ``kind`` is string, quoted, word, number or other; ``depth`` counts open brackets."""

    kind: str
    text: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows come as data: the statement up to FORMAT, the format's name, and the data's bytes."""

    head: str
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the server handles it; ``format`` is the one its text asks for, empty if none.

    ``client_file`` marks INTO OUTFILE and FROM INFILE, which only a command-line client may do;
    ``several`` more than one statement in the text.
    """

    kind: StatementKind
    format: str = ""
    insert: Insert | None = None
    client_file: bool = False
    several: bool = False


def tokens(text: bytes) -> Iterator[Token]:
    """The tokens of a statement, without white space and comments."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "space":
            continue
        piece = match.group()
        if piece in (b")", b"]", b"}"):
            depth = max(0, depth - 1)
        yield Token(kind, piece.decode("utf-8", "replace"), match.start(), match.end(), depth)
        if piece in (b"(", b"[", b"{"):
            depth += 1


def read_statement(text: bytes) -> Statement:
    """What kind of statement this is; an INSERT is looked at up to where its data begins, others to their end."""
    stream = tokens(text)
    first = next(stream, None)
    if first is None:
        return Statement(StatementKind.CHANGE)
    word = first.text.upper()
    if word == "INSERT":
        return _read_insert(text, stream)
    kind = StatementKind.CHANGE
    if word in READ_WORDS:
        kind = StatementKind.READ
    elif word in SESSION_WORDS:
        kind = StatementKind.SESSION
    return _read_to_end(kind, stream)


def _read_to_end(kind: StatementKind, stream: Iterator[Token]) -> Statement:
    wanted, outfile, several, ended, before = "", False, False, False, ""
    for token in stream:
        if ended:
            several = True
            break
        if token.text == ";" and token.kind == "other":
            ended = True
        word = token.text.upper() if token.kind == "word" else ""
        if before == "FORMAT" and word and token.depth == 0:
            wanted = token.text
        outfile = outfile or (before == "INTO" and word == "OUTFILE")
        before = word
    return Statement(kind, format=wanted, client_file=outfile, several=several)


def _read_insert(text: bytes, stream: Iterator[Token]) -> Statement:
    """INSERT … FORMAT name data, INSERT … VALUES data, INSERT … SELECT, or an INSERT whose format is said elsewhere."""
    before: Token | None = None
    for token in stream:
        word = token.text.upper() if token.kind == "word" and token.depth == 0 else ""
        if before is not None and before.text.upper() == "FORMAT" and word:
            head = text[: before.start].decode("utf-8", "replace").rstrip()
            insert = Insert(head, token.text, text[data_start(text, token.end) :])
            return Statement(StatementKind.INSERT, format=token.text, insert=insert)
        if word == "VALUES":
            head = text[: token.start].decode("utf-8", "replace").rstrip()
            return Statement(StatementKind.INSERT, format="Values", insert=Insert(head, "Values", text[token.end :]))
        if word in ("SELECT", "WITH", "FROM", "WATCH"):
            rest = _read_to_end(StatementKind.INSERT, stream)
            return Statement(StatementKind.INSERT, several=rest.several, client_file=word == "FROM")
        if token.kind == "other" and token.text == ";":
            break
        before = token if word == "FORMAT" else None
    head = text.decode("utf-8", "replace").strip().rstrip(";")
    return Statement(StatementKind.INSERT, insert=Insert(head, "", b""))


def data_start(text: bytes, position: int) -> int:
    """Where an INSERT's data begins: after blanks and one line break, as ClickHouse reads it."""
    end = len(text)
    while position < end and text[position] in b" \t\f":
        position += 1
    if position < end and text[position] == 0x0D:
        position += 1
    if position < end and text[position] == 0x0A:
        position += 1
    return position
