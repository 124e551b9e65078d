"""As much of ClickHouse's grammar as HTTP needs: where the data of an INSERT begins, and which format is asked for.

Texts are cut into the tokens of ClickHouse's own lexer: a word may hold dollar signs, so a heredoc begins only where
no word does; comments nest; a quote that is never closed reaches to the end of the text. Each byte is read a bounded
number of times.

Source: src/Parsers/Lexer.cpp of ClickHouse
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

__all__ = [
    "WORD_SHOWN_MAX",
    "Insert",
    "Statement",
    "StatementKind",
    "Token",
    "first_word",
    "read_statement",
    "tokens",
]

# Every quantifier is possessive: a token matches whole or not at all, and no match is tried twice.
_TOKEN: Final = re.compile(
    rb"""
      (?P<space> \s++ | (?:--|//)[^\n]*+ | \#[ !][^\n]*+ )
    | (?P<comment> /\* )
    | (?P<string> '(?:[^'\\]++|\\.|'')*+'? )
    | (?P<heredoc> (?=\$[A-Za-z0-9_]*+\$) )
    | (?P<quoted> `(?:[^`\\]++|\\.|``)*+`? | "(?:[^"\\]++|\\.|"")*+"? )
    | (?P<word> [A-Za-z_$][A-Za-z0-9_$]*+ )
    | (?P<number> [0-9][0-9A-Za-z_.]*+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE: Final = re.compile(rb"/\*|\*/")
_HEREDOC_EDGE: Final = re.compile(rb"(?=(\$[A-Za-z0-9_]*+\$))")
WORD_SHOWN_MAX: Final = 40
_DOLLAR_WORD: Final = re.compile(rb"[A-Za-z0-9_$]++")


class StatementKind(Enum):
    """What a statement does, as far as the server must know before it runs."""

    READ = "read"
    INSERT = "insert"
    SESSION = "session"
    CHANGE = "change"


READ_WORDS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "FROM", "CHECK", "("})
MAKING_WORDS = frozenset({"CREATE", "REPLACE"})
"""A statement that begins so belongs to the session where it makes a temporary table."""
SESSION_WORDS = frozenset({"SET", "USE", "BEGIN", "COMMIT", "ROLLBACK", "START"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token: ``kind`` is string, quoted, word, number or other; ``depth`` counts the brackets that are open there."""

    kind: str
    text: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows follow as data: the statement before FORMAT, the name of the format, and the data."""

    head: str
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the server handles it; ``format`` is the one that its text asks for, empty if none.

    ``client_file`` marks INTO OUTFILE and FROM INFILE, which only a command-line client may do. ``several`` says that
    the text holds more than one statement, ``too_many_tokens`` that it was not read to its end.
    """

    kind: StatementKind
    format: str = ""
    insert: Insert | None = None
    client_file: bool = False
    several: bool = False
    too_many_tokens: bool = False


def tokens(text: bytes) -> Iterator[Token]:
    """The tokens of a statement, without white space and comments.

    >>> [token.text for token in tokens(b"SELECT 'a''b' -- why")]
    ['SELECT', "'a''b'"]
    """
    depth, start, length = 0, 0, len(text)
    heredocs = _Heredocs(text)
    while start < length:
        match = _TOKEN.match(text, start)
        assert match is not None  # the last alternative takes any byte
        kind, end = match.lastgroup or "other", match.end()
        if kind == "comment":
            end = _comment_end(text, end)
        elif kind == "heredoc":
            kind, end = heredocs.read(start)
        if kind not in ("space", "comment"):
            piece = text[start:end]
            if piece in (b")", b"]", b"}"):
                depth = max(0, depth - 1)
            yield Token(kind, piece.decode("utf-8", "replace"), start, end, depth)
            if piece in (b"(", b"[", b"{"):
                depth += 1
        start = end


def first_word(text: bytes) -> str:
    """The first word of a statement, in capitals; an empty text where there are only blanks and comments.

    >>> first_word(b"-- all of it\\n drop TABLE t"), first_word(b" /* nothing */ ")
    ('DROP', '')
    """
    first = next(tokens(text), None)
    return "" if first is None else first.text[:WORD_SHOWN_MAX].upper()


class _Heredocs:
    """Finds where ``$tag$ … $tag$`` ends; a tag that does not come again is a word."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._last: dict[bytes, int] | None = None

    def read(self, start: int) -> tuple[str, int]:
        """Kind and end of the token that begins at a dollar sign."""
        if self._last is None:
            self._last = {edge.group(1): edge.start() for edge in _HEREDOC_EDGE.finditer(self._text, start)}
        edge = _HEREDOC_EDGE.match(self._text, start)
        assert edge is not None
        tag = edge.group(1)
        if self._last[tag] < start + len(tag):
            word = _DOLLAR_WORD.match(self._text, start)
            assert word is not None
            return "word", word.end()
        return "string", self._text.index(tag, start + len(tag)) + len(tag)


def _comment_end(text: bytes, start: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == b"/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def read_statement(text: bytes, head_bytes_max: int | None = None, tokens_max: int | None = None) -> Statement:
    """The statement of a text: an INSERT is read up to its data, any other statement to its end.

    Reading stops at ``head_bytes_max`` bytes or ``tokens_max`` tokens; the data of an INSERT does not count.

    >>> read_statement(b"SELECT 1 FORMAT JSON").format, read_statement(b"INSERT INTO t VALUES (1)").insert.data
    ('JSON', b' (1)')
    """
    every = tokens(text if head_bytes_max is None else text[:head_bytes_max])
    statement = _read(text, itertools.islice(every, tokens_max))
    unread = statement.insert is None and not statement.several and tokens_max is not None
    return replace(statement, too_many_tokens=unread and next(every, None) is not None)


def _read(text: bytes, stream: Iterator[Token]) -> Statement:
    first = next(stream, None)
    if first is None:
        return Statement(StatementKind.CHANGE)
    word = first.text.upper()
    if word == "INSERT":
        return _read_insert(text, stream)
    if word in MAKING_WORDS:
        made = list(itertools.islice(stream, 3))
        words = [token.text.upper() for token in made if token.kind == "word"]
        temporary = words[:1] == ["TEMPORARY"] or words == ["OR", "REPLACE", "TEMPORARY"]
        kind = StatementKind.SESSION if temporary else StatementKind.CHANGE
        return _read_to_end(kind, itertools.chain(made, stream))
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
    """INSERT … FORMAT name data, INSERT … VALUES data, INSERT … SELECT, or an INSERT whose format the request names."""
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
    """Where the data of an INSERT begins: behind blanks and one line break, as in ClickHouse."""
    end = len(text)
    while position < end and text[position] in b" \t\f":
        position += 1
    if position < end and text[position] == 0x0D:
        position += 1
    if position < end and text[position] == 0x0A:
        position += 1
    return position
