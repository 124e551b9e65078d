"""What the user ``analyst`` may ask, beyond what ``readonly=1`` refuses.

As a library the engine runs as a local, trusted user: with ``readonly=1`` it refuses every change and most sources, but
the function file() reads any file, DESCRIBE reaches out to any URL, and KILL QUERY ends the queries of others. The
text examined here is the engine's own formatting of the statement (``formatQuerySingleLine``), which is also what is
run, so a comment, a quoting or a heredoc cannot hide a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from warehouse.http_protocol import RefusedRequest
from warehouse.sql_text import Token, tokens

__all__ = ["check_analyst", "is_denied_table_function"]

FIRST_WORDS: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN", "("})

TABLE_FUNCTIONS_ALLOWED: Final = frozenset(
    {
        "numbers", "numbers_mt",
        "zeros", "zeros_mt", "values", "sqlstandardvalues", "generateseries", "generate_series",
        "view", "null", "primes", "generaterandom", "format",
    }
)  # fmt: skip
"""Table functions that read nothing but their arguments, in lower case."""

NAMES_DENIED: Final = frozenset({"file", "eval", "catboostevaluate", "getserversetting", "structuretoprotobufschema"})
"""Functions that reach outside the tables; denied as bare names too, because APPLY takes a function by its name."""

SYSTEM_TABLES_ALLOWED: Final = frozenset(
    {
        "aggregate_function_combinators", "build_options", "collations", "columns", "completions", "contributors",
        "data_skipping_indices", "data_type_families", "databases", "enabled_roles", "current_roles", "formats",
        "functions", "keywords", "licenses", "merge_tree_settings", "numbers", "numbers_mt", "one", "parts",
        "parts_columns", "projections",
        "settings", "table_engines", "table_functions", "tables", "time_zones", "views", "zeros", "zeros_mt",
    }
)  # fmt: skip
"""Tables of ``system`` that describe the schema; the others tell of other people's queries and of the machine."""

_IDENTIFIER_PARAMETER = re.compile(r"\{\s*(\w+)\s*:\s*Identifier\s*\}")


def is_denied_table_function(name: str) -> bool:
    """Whether a table function reaches outside the tables."""
    return name.lower() not in TABLE_FUNCTIONS_ALLOWED


def check_analyst(
    formatted: str, parameters: Mapping[str, str], database: str, table_functions_denied: frozenset[str]
) -> None:
    """Raise RefusedRequest where the analyst may not run this statement.

    ``formatted`` is one statement as the engine formats it; ``table_functions_denied`` holds lower-case names.
    """
    if database.lower() == "system":
        raise _denied("the database system as the default; name its tables as system.NAME")
    pieces = list(tokens(_with_identifiers(formatted, parameters).encode()))
    words = [token.text.upper() for token in pieces[:2]]
    if not words or words[0] not in FIRST_WORDS:
        raise RefusedRequest(
            164, "READONLY", "analyst: Cannot execute query in readonly mode. Only reading is allowed."
        )
    if words == ["SHOW", "PROCESSLIST"]:
        raise _denied("the queries of other people")
    for index, token in enumerate(pieces):
        following = pieces[index + 1 : index + 3]
        _check_name(token, following, table_functions_denied)
        if token.text == "SETTINGS" and pieces[index - 1].text != ".":
            # The engine itself refuses them at the end of a statement, but not in a subquery.
            raise RefusedRequest(164, "READONLY", "analyst: Cannot modify settings in readonly mode.")


def _check_name(token: Token, following: list[Token], table_functions_denied: frozenset[str]) -> None:
    if token.kind not in ("word", "quoted"):
        return
    name = token.text.strip('`"').lower()
    called = bool(following) and following[0].text == "("
    if name in NAMES_DENIED or (called and (name in table_functions_denied or name.startswith("ai"))):
        raise _denied(f"{name}()")
    if name == "outfile":
        raise _denied("INTO OUTFILE")
    if name == "system" and len(following) == 2 and following[0].text == ".":
        table = following[1].text.strip('`"').lower()
        if table not in SYSTEM_TABLES_ALLOWED:
            raise _denied(f"system.{table}")


def _with_identifiers(formatted: str, parameters: Mapping[str, str]) -> str:
    """The statement with ``{name:Identifier}`` filled in, quoted as an identifier."""

    def fill(match: re.Match[str]) -> str:
        value = parameters.get(match.group(1), "")
        if not re.fullmatch(r"[A-Za-z0-9_]+", value):
            raise _denied(f"the identifier {value!r} as a parameter; letters, digits and _ are allowed")
        return f"`{value}`"

    return _IDENTIFIER_PARAMETER.sub(fill, formatted)


def _denied(what: str) -> RefusedRequest:
    return RefusedRequest(497, "ACCESS_DENIED", f"analyst: Not enough privileges: may not use {what}.")
