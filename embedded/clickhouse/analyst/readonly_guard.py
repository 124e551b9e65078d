"""Checks each statement of ``analyst`` before it runs, because ``readonly=1`` refuses too little.

As a library the engine runs as a local, trusted user. With ``readonly=1`` it refuses every change and most sources, but
the function file() reads any file, DESCRIBE connects to any URL, INTO OUTFILE writes, and a subquery may have settings
of its own. So the engine parses the statement, and its tree is compared with lists of what is allowed
(``allowed_names``, ``allowed_functions``). The same text is checked and run: the engine's own formatting of the
statement, which has no comments, no heredocs and one way of quoting. A text made from the tree must be equal to it, so
that neither contains something that the other lacks. The second wall, ``confinement``, does not read statements.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from embedded.clickhouse.analyst.allowed_names import PARAMETER_TYPES_ALLOWED, SETTINGS_ALLOWED
from embedded.clickhouse.analyst.statement_tree import Grants, check_table, check_tree, denied, settings_refused
from embedded.clickhouse.http.protocol import RefusedRequest
from embedded.clickhouse.sql_text import WORD_SHOWN_MAX, Token, tokens

__all__ = [
    "Checked",
    "Reader",
    "check_analyst",
    "check_names",
    "check_settings",
    "check_text",
    "not_reading",
    "with_identifiers",
]

FIRST_WORDS: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN", "("})
CHANGING_WORDS: Final = frozenset(
    {
        "ALTER", "ATTACH", "BACKUP", "BEGIN", "CHECK", "COMMIT", "COPY", "CREATE", "DELETE", "DETACH", "DROP",
        "EXCHANGE", "EXECUTE", "GRANT", "INSERT", "KILL", "MOVE", "OPTIMIZE", "PARALLEL", "RENAME", "REPLACE",
        "RESTORE", "REVOKE", "ROLLBACK", "SET", "START", "SYSTEM", "TRUNCATE", "UNDROP", "UPDATE", "USE", "WATCH",
    }
)  # fmt: skip
"""First words of the engine's other statements."""
DESCRIBE: Final = "DESCRIBE TABLE "
DESCRIBED: Final = "SELECT * FROM "
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTIFIER_VALUE: Final = re.compile(r"[A-Za-z0-9_]+")
_SHAPE: Final = re.compile(r"[() ]")
_NAMED_OBJECT: Final = re.compile(
    r"(?:EXISTS|SHOW CREATE) (?:TEMPORARY )?(?P<what>TABLE|VIEW|DATABASE) "
    r"(?P<names>(?:[A-Za-z0-9_]+|`[^`\\]+`)(?:\.(?:[A-Za-z0-9_]+|`[^`\\]+`))?)"
)
_PLAIN: Final = re.compile(r"SHOW (?:FUNCTIONS(?: I?LIKE '[^'\\]*')?|SETTING [a-z0-9_]+|ENGINES)")
_FORMAT: Final = re.compile(r" FORMAT (?P<format>[A-Za-z0-9_]+)$")


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that may run: the text that was checked, and the format and time zones that it names."""

    sql: str
    format: str = ""
    time_zones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reader:
    """The engine's own parser.

    ``format`` writes a statement on one line. ``tree`` returns the tree of such a line as JSON, and a line made from
    the tree.
    """

    format: Callable[[str], str]
    tree: Callable[[str], tuple[bytes, str]]


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise RefusedRequest for a setting that a request may not carry; the engine itself refuses a changed value."""
    if not settings.keys() <= SETTINGS_ALLOWED:
        raise settings_refused()


def check_names(parameters: Mapping[str, str]) -> None:
    """Raise RefusedRequest where the name of a parameter is not a name."""
    for name in parameters:
        if not _NAME.fullmatch(name):
            raise denied(f"a parameter by the name {name!r}; letters, digits and _ are allowed")


def check_analyst(sql: str, parameters: Mapping[str, str], grants: Grants, reader: Reader, tokens_max: int) -> Checked:
    """The checked statement that runs instead of ``sql``; raises RefusedRequest where ``analyst`` may not run it.

    ``check_names`` must have accepted the names of ``parameters``; it is needed for remembered statements too.
    """
    formatted = reader.format(sql)
    check_text(formatted, tokens_max)
    filled = with_identifiers(formatted, parameters)
    if filled != formatted:
        formatted = reader.format(filled)
        check_text(formatted, tokens_max)
    simple = _check_simple(formatted, grants)
    if simple is not None:
        return simple
    # The engine makes no tree of DESCRIBE; DESCRIBE reads the same tables as SELECT.
    readable = DESCRIBED + formatted.removeprefix(DESCRIBE) if formatted.startswith(DESCRIBE) else formatted
    encoded, again = reader.tree(readable)
    try:
        tree = msgspec.json.decode(encoded.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        raise _unreadable() from None
    named = check_tree(tree, grants)
    if _shape(again) != _shape(readable):
        raise _unreadable()
    return Checked(formatted, named.format, named.time_zones)


def check_text(formatted: str, tokens_max: int) -> None:
    """The checks that need no tree; ``formatted`` is one line, as the engine writes it. Raises RefusedRequest."""
    pieces = list(itertools.islice(tokens(formatted.encode()), tokens_max + 1))
    if len(pieces) > tokens_max:
        raise RefusedRequest(
            62, "SYNTAX_ERROR", f"analyst: The query has more parts than query_tokens_max ({tokens_max})."
        )
    word = pieces[0].text[:WORD_SHOWN_MAX].upper() if pieces else ""
    if word not in FIRST_WORDS:
        raise not_reading(word)
    for index, token in enumerate(pieces):
        if token.kind in ("word", "other", "number") and ("$" in token.text or not token.text.isascii()):
            raise denied("$ outside quotes" if "$" in token.text else f"{token.text!r} outside quotes")
        if token.kind == "string" and not token.text.startswith("'"):
            raise denied("$ outside quotes")
        if token.kind == "quoted" and ("\\" in token.text.replace("\\`", "") or not token.text.isprintable()):
            raise denied("control characters in a name")
        if token.text == "{":
            _check_parameter(pieces[index + 1 :])
        if token.text == "SETTINGS" and token.kind == "word" and pieces[index - 1].text not in (".", "CHANGED", "SHOW"):
            raise settings_refused()


def with_identifiers(formatted: str, parameters: Mapping[str, str]) -> str:
    """The statement with every ``{name:Identifier}`` replaced by its quoted value. Raises RefusedRequest."""
    text = formatted.encode()
    if ":Identifier}" not in formatted:
        return formatted
    pieces = list(tokens(text))
    done, parts = 0, []
    for index, opening in enumerate(pieces[:-4]):
        _brace, name, _colon, type_name, closing = pieces[index : index + 5]
        if (opening.text, type_name.text, closing.text) != ("{", "Identifier", "}"):
            continue
        value = parameters.get(name.text, "")
        if not _IDENTIFIER_VALUE.fullmatch(value):
            raise denied(f"the identifier {value!r} as a parameter; letters, digits and _ are allowed")
        parts += [text[done : opening.start], f"`{value}`".encode()]
        done = closing.end
    return b"".join([*parts, text[done:]]).decode()


def _check_parameter(pieces: list[Token]) -> None:
    """Check ``{name:Type}``: a name, and a type that is made of allowed types."""
    if len(pieces) < 3 or not _NAME.fullmatch(pieces[0].text) or pieces[1].text != ":":
        raise denied("{ } that hold no parameter")
    end = _check_type(pieces, 2)
    if end >= len(pieces) or pieces[end].text != "}":
        raise denied("a parameter of that type")


def _check_type(pieces: list[Token], at: int) -> int:
    """The index of the token behind the type that begins at ``pieces[at]``; raises RefusedRequest for a wrong type."""
    depth = 0
    while at < len(pieces):
        token = pieces[at]
        following = pieces[at + 1].text if at + 1 < len(pieces) else ""
        if token.kind == "word" and token.text not in PARAMETER_TYPES_ALLOWED:
            # An element of a Tuple may have a name, followed by a type.
            named = depth > 0 and pieces[at - 1].text in ("(", ",") and following in PARAMETER_TYPES_ALLOWED
            if not named or not _NAME.fullmatch(token.text):
                raise denied(f"a parameter of the type {token.text}")
        elif token.text in ("(", ")"):
            depth += 1 if token.text == "(" else -1
            if depth < 0:
                return at
        elif token.text == "}" and depth == 0:
            return at
        elif token.kind not in ("word", "number", "string") and token.text not in (",", "=", "-"):
            raise denied("a parameter of that type")
        at += 1
    return at


def _check_simple(formatted: str, grants: Grants) -> Checked | None:
    """Check a statement of which the engine makes no tree, with at most one name; None for any other statement."""
    named = _FORMAT.search(formatted)
    wanted = named.group("format") if named else ""
    text = formatted[: named.start()] if named else formatted
    if _PLAIN.fullmatch(text):
        return Checked(formatted, wanted)
    match = _NAMED_OBJECT.fullmatch(text)
    if match is None:
        return None
    names = [name.strip("`") for name in re.findall(r"[A-Za-z0-9_]+|`[^`]+`", match.group("names"))]
    if match.group("what") == "DATABASE":
        check_table(names[0], "", grants)
    else:
        check_table(names[0] if len(names) == 2 else "", names[-1], grants)
    return Checked(formatted, wanted)


def _shape(text: str) -> str:
    """A statement without brackets and blanks, because the engine drops brackets that change nothing."""
    return _SHAPE.sub("", text)


def not_reading(word: str) -> RefusedRequest:
    """The refusal of a statement whose first word is not one of a statement that reads."""
    allowed = "Allowed are SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN."
    if word in CHANGING_WORDS:
        reason = f"analyst: Cannot execute query in readonly mode: this user only reads, and {word} does not. {allowed}"
        return RefusedRequest(164, "READONLY", reason)
    close = difflib.get_close_matches(word, FIRST_WORDS, n=1)
    meant = f"; did you mean {close[0]}?" if close else "."
    return RefusedRequest(62, "SYNTAX_ERROR", f"Syntax error: no statement begins with {word}{meant} {allowed}")


def _unreadable() -> RefusedRequest:
    reason = (
        "analyst: This statement cannot be checked, and is not run. "
        "A plain SELECT, with subqueries in place of unusual syntax, can be."
    )
    return RefusedRequest(48, "NOT_IMPLEMENTED", reason)
