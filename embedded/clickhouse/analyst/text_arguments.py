"""Checks texts that the engine parses when a statement runs: types, structures of tables, names of functions.

Such a text is code: ``ALIAS file('x')`` in a structure is run. So it must be a literal, made of names on the lists.
"""

from __future__ import annotations

import re
from typing import Final

from embedded.clickhouse.analyst.allowed_functions import TYPE_ALIASES_ALLOWED
from embedded.clickhouse.analyst.allowed_names import PARAMETER_TYPES_ALLOWED
from embedded.clickhouse.sql_text import tokens

__all__ = ["aggregate_named", "is_joda_without_zone", "is_name", "is_structure", "is_tokenizer", "is_type"]

TYPES: Final = frozenset(name.lower() for name in PARAMETER_TYPES_ALLOWED) | TYPE_ALIASES_ALLOWED
_NEVER: Final = re.compile(r"[`\"\\$#{};]|--|//|/\*")
_AGGREGATE: Final = re.compile(r"([A-Za-z0-9_]+)(?:\([0-9., ]*\))?")
_NAME: Final = re.compile(r"[A-Za-z0-9_.]+")
_TOKENIZER: Final = re.compile(r"[A-Za-z]+(?:\([0-9, ]*\))?")


def is_type(text: str) -> bool:
    """Whether a text is made of known types, numbers and texts alone; the engine checks its grammar.

    >>> is_type("Array(Tuple(a UInt8, b Enum8('x' = 1)))"), is_type("Array(UInt8) ALIAS file('x')")
    (True, False)
    """
    if _NEVER.search(text):
        return False
    pieces = list(tokens(text.encode("utf-8", "replace")))
    before = ""
    for index, token in enumerate(pieces):
        if token.kind == "word" and token.text.lower() not in TYPES:
            # An element of a Tuple, or a column, has a name, followed by a type.
            following = pieces[index + 1].text.lower() if index + 1 < len(pieces) else ""
            if before not in ("(", ",") or following not in TYPES:
                return False
        elif token.kind not in ("word", "number", "string") and token.text not in ("(", ")", ",", "=", "-"):
            return False
        before = token.text
    return bool(pieces)


def is_structure(text: str) -> bool:
    """Whether a text is a list of columns, each of a name and a type alone.

    >>> is_structure("a UInt8, b String"), is_structure("a UInt8, b String ALIAS file('x')")
    (True, False)
    """
    return is_type(f"Tuple({text})")


def aggregate_named(text: str) -> str:
    """The aggregate function that a text names, with numbers as parameters; empty for any other text.

    >>> aggregate_named("quantiles(0.5, 0.9)"), aggregate_named("groupFormat('Template')")
    ('quantiles', '')
    """
    match = _AGGREGATE.fullmatch(text)
    return match.group(1) if match else ""


def is_name(text: str) -> bool:
    """Whether a text is a name, or several names joined by dots."""
    return _NAME.fullmatch(text) is not None


def is_tokenizer(text: str) -> bool:
    """Whether a text names a tokenizer, with numbers as parameters."""
    return _TOKENIZER.fullmatch(text) is not None


def is_joda_without_zone(text: str) -> bool:
    """Whether a pattern of Joda reads no time zone from the data; the engine would load every zone that it read."""
    return "z" not in text.lower()
