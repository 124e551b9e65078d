"""Compares the tree of a statement with the names that ``analyst`` may use, however the statement is spelled.

The tree is the engine's own (``parseQueryToJSON``). Its nodes are objects with a ``type``; their other keys hold values
or more nodes. Every node is checked, under whichever key; a node of an unknown type is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from embedded.clickhouse.analyst.allowed_functions import AGGREGATES_ALLOWED, FUNCTIONS_ALLOWED, TEXT_ARGUMENTS
from embedded.clickhouse.analyst.allowed_names import (
    EXPLAIN_KINDS,
    EXPLAIN_SETTINGS,
    INFORMATION_SCHEMA_TABLES_ALLOWED,
    NODES_ALLOWED,
    SYSTEM_TABLES_ALLOWED,
    TABLE_FUNCTIONS_ALLOWED,
)
from embedded.clickhouse.analyst.text_arguments import (
    aggregate_named,
    is_joda_without_zone,
    is_name,
    is_structure,
    is_tokenizer,
    is_type,
)
from embedded.clickhouse.analyst.time_zones import (
    ZONE_FROM,
    has_zone_in_name,
    is_fixed_offset,
    zone_refused,
    zones_of_arguments,
    zones_of_type,
)
from embedded.clickhouse.http.protocol import RefusedRequest

__all__ = [
    "FunctionRow",
    "Grants",
    "Named",
    "check_table",
    "check_tree",
    "denied",
    "functions_allowed",
    "names_refused",
    "settings_refused",
    "zones_taken",
]

Node = dict[str, Any]
ALLOWED: Final = (
    "This user reads the tables of its database and those of system that describe them, with functions that look at "
    "nothing but their arguments."
)
CLOSE: Final = 0.8
"""Similarity, from 0 to 1, from which an allowed name is proposed instead of a refused one."""
COMPARED_CHARS_MAX: Final = 60
SHOWN_REFUSED: Final = ("clusters", "cluster", "merges", "caches", "where_expression")
"""Keys of SHOW for lists other than tables and settings, and for conditions, which the engine runs as a statement."""


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """One row of ``system.functions``: a name, whether it is an aggregate, and the function that it is an alias of."""

    name: str
    aggregate: bool
    alias_to: str


@dataclass(frozen=True, slots=True)
class Grants:
    """What one request of ``analyst`` may use.

    ``database`` is the request's own, ``databases`` are all that exist. ``functions`` are names in lower case;
    ``aggregates`` are those of them that take a combinator of ``combinators``. ``names_refused`` are names that the
    engine would take for a function in the place of a column, as in ``arrayMap(file, x)``. ``zones_taken`` maps each
    function that takes a time zone to the first argument that may be one; ``time_zones`` are those of the engine.
    """

    database: str
    databases: frozenset[str]
    functions: frozenset[str]
    aggregates: frozenset[str]
    combinators: tuple[str, ...]
    names_refused: frozenset[str] = frozenset()
    zones_taken: Mapping[str, int] = field(default_factory=dict)
    time_zones: frozenset[str] = frozenset()


class Named(NamedTuple):
    """The format that a statement names for its answer, or an empty text, and the time zones that it names."""

    format: str
    time_zones: frozenset[str]


def functions_allowed(rows: Mapping[str, FunctionRow]) -> tuple[frozenset[str], frozenset[str]]:
    """The functions of the engine that ``analyst`` may call, and the aggregates among them, in lower case."""
    allowed: set[str] = set(FUNCTIONS_ALLOWED)
    aggregates: set[str] = set()
    for row in rows.values():
        original = rows.get(row.alias_to, row)
        name = original.name.lower()
        if original.aggregate and name in AGGREGATES_ALLOWED:
            aggregates.add(row.name.lower())
        elif not original.aggregate and name in FUNCTIONS_ALLOWED and (original is row or name not in TEXT_ARGUMENTS):
            allowed.add(row.name.lower())
    return frozenset(allowed | aggregates), frozenset(aggregates)


def names_refused(rows: Iterable[FunctionRow], functions: frozenset[str]) -> frozenset[str]:
    """Names, in lower case, that may not stand alone: functions that are not allowed, and those that take a text."""
    texts = {name for name, (what, _index) in TEXT_ARGUMENTS.items() if what != "tokenizer"}
    return frozenset({row.name.lower() for row in rows} - functions | texts)


def zones_taken(rows: Iterable[FunctionRow]) -> dict[str, int]:
    """The functions, in lower case, that take a time zone, each with the first argument that may be one."""
    names = [(row.name.lower(), (row.alias_to or row.name).lower()) for row in rows]
    return {name: ZONE_FROM[original] for name, original in names if original in ZONE_FROM}


def check_tree(tree: Node, grants: Grants) -> Named:
    """The format and time zones that the statement names; raises RefusedRequest where it may not run."""
    stack: list[tuple[str, Node]] = [("", tree)]
    zones: set[str] = set()
    while stack:
        key, node = stack.pop()
        _check_node(key, node, grants)
        zones.update(_zones(key, node, grants))
        stack.extend(_children(node))
    for zone in zones - grants.time_zones:
        if not is_fixed_offset(zone):
            raise zone_refused(f"may not use the time zone {zone!r}")
    named = tree.get("format_ast") or {}
    return Named(str(named.get("name", "")), frozenset(zones))


def check_table(database: str, table: str, grants: Grants) -> None:
    """Raise RefusedRequest where a table may not be read; an empty ``database`` stands for the request's own."""
    if database == "system":
        if table not in SYSTEM_TABLES_ALLOWED:
            raise denied(f"system.{table}")
    elif database.lower() == "information_schema":
        if table.lower() not in INFORMATION_SCHEMA_TABLES_ALLOWED:
            raise denied(f"{database}.{table}")
    elif database not in ("", grants.database):
        raise denied(f"the database {database}; this request is for {grants.database}")


def denied(what: str) -> RefusedRequest:
    """The refusal of a name; ``what`` completes the sentence *may not use …*."""
    end = "" if what.endswith("?") else "."
    reason = f"analyst: Not enough privileges: may not use {what}{end} {ALLOWED}"
    return RefusedRequest(497, "ACCESS_DENIED", reason)


def settings_refused() -> RefusedRequest:
    """The refusal of a request or statement that carries a setting."""
    reason = "analyst: Cannot modify settings in readonly mode: the bounds of this user are fixed. Leave SETTINGS out."
    return RefusedRequest(164, "READONLY", reason)


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    """The nodes directly below a node, each with its key; objects without a type are values, and are looked through.

    The settings of EXPLAIN itself get the key ``explain settings``: only there may a SetQuery stand.
    """
    is_explain = node["type"] == "ExplainQuery"
    waiting: list[tuple[str, Any]] = list(node.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            if "type" in value:
                yield ("explain settings" if key == "settings" and is_explain else key), value
            else:
                waiting.extend((key, inner) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((key, inner) for inner in value)


def _check_node(key: str, node: Node, grants: Grants) -> None:
    name = node["type"]
    if name == "SetQuery":
        _check_explain_settings(key, node)
    elif name not in NODES_ALLOWED:
        raise denied(f"{name} in a statement")
    if node.get("out_file") is not None:
        raise denied("INTO OUTFILE")
    if name in _CHECKS:
        _CHECKS[name](key, node, grants)


def _zones(key: str, node: Node, grants: Grants) -> Iterator[str]:
    """The texts of a node that the engine reads as time zones."""
    name = str(node.get("name", ""))
    match node["type"]:
        case "QueryParameter":
            yield from zones_of_type(str(node.get("param_type", "")))
        case "Identifier":
            if has_zone_in_name(name):
                raise zone_refused(f"may not use a type with a time zone in the name {name!r}")
        case "Function":
            arguments = _arguments(node)
            taken = grants.zones_taken.get(name.lower())
            if taken is not None:
                yield from zones_of_arguments(name, taken, arguments)
            holds_type = key == "table_function" or TEXT_ARGUMENTS.get(name.lower(), ("",))[0] == "type"
            for text in map(_text, arguments) if holds_type else ():
                yield from zones_of_type(text or "")


def _check_explain_settings(key: str, node: Node) -> None:
    names = {change.get("name") for change in node.get("changes", ())}
    if key != "explain settings" or not names <= EXPLAIN_SETTINGS or set(node) != {"type", "changes"}:
        raise settings_refused()


def _check_explain(_key: str, node: Node, _grants: Grants) -> None:
    if node.get("kind") not in EXPLAIN_KINDS or not isinstance(node.get("query"), dict):
        raise denied(str(node.get("kind")))


def _check_function(key: str, node: Node, grants: Grants) -> None:
    name = str(node.get("name", ""))
    if key == "table_function":
        if name.lower() not in TABLE_FUNCTIONS_ALLOWED:
            raise denied(f"{name}()")
        if name.lower() in ("values", "sqlstandardvalues"):
            _check_values(node)
    else:
        _check_function_name(name, grants)
        if name.lower() in TEXT_ARGUMENTS:
            _check_text_argument(name, node, grants)


def _check_values(node: Node) -> None:
    """Check values(): its first argument must be a row, a number, or a structure of names and types alone."""
    arguments = _arguments(node)
    first = arguments[0] if arguments else {}
    plain = first.get("type") == "Literal" or (first.get("type"), first.get("name")) == ("Function", "tuple")
    text = _text(first)
    if arguments and (not plain or (text is not None and len(arguments) > 1 and not is_structure(text))):
        raise denied("values() with a structure that is not names and types, or with a first row that is no literal")


def _check_text_argument(name: str, node: Node, grants: Grants) -> None:
    what, index = TEXT_ARGUMENTS[name.lower()]
    arguments = _arguments(node)
    if index >= len(arguments) or not arguments:
        return
    text = _text(arguments[index])
    if text is None:
        raise denied(f"{name}() with a {what} that is no literal")
    if what == "aggregate":
        _check_function_name(aggregate_named(text), grants)
    elif not _TEXTS[what](text):
        raise denied(f"{name}() with the {what} {text!r}")


def _arguments(node: Node) -> list[Node]:
    children: list[Node] = (node.get("arguments") or {}).get("children") or []
    return children


def _text(node: Node) -> str | None:
    """The text of a node that is a literal text; None for any other node."""
    value = node.get("value")
    if node.get("type") != "Literal" or not isinstance(value, dict) or value.get("field_type") != "String":
        return None
    return str(value.get("value"))


def _check_function_name(name: str, grants: Grants) -> None:
    if name.lower() in grants.functions or _with_combinators(name.lower(), grants):
        return
    near = grants.functions if len(name) <= COMPARED_CHARS_MAX else ()
    close = difflib.get_close_matches(name.lower(), near, n=1, cutoff=CLOSE)
    raise denied(f"{name}()" + (f"; did you mean {close[0]}()?" if close else ""))


def _with_combinators(name: str, grants: Grants) -> bool:
    """Whether the name is an aggregate with combinators, such as sumIf or uniqMergeState."""
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in grants.aggregates:
            return True
        waiting += [name.removesuffix(ending) for ending in grants.combinators if name.endswith(ending)]
    return False


def _check_apply(_key: str, node: Node, grants: Grants) -> None:
    if "lambda" not in node:
        name = str(node.get("func_name", ""))
        _check_function_name(name, grants)
        if name.lower() in TEXT_ARGUMENTS:
            raise denied(f"APPLY({name})")


def _check_identifier(_key: str, node: Node, grants: Grants) -> None:
    """Check a name in the place of a column: ``x IN database.table`` names a table, ``arrayMap(f, x)`` a function."""
    parts = [str(part) for part in node.get("name_parts", ()) or (node.get("name", ""),)]
    if len(parts) == 1 and parts[0].lower() in grants.names_refused:
        raise denied(f"the name {parts[0]}, which is that of a function")
    if len(parts) > 1 and parts[0] in grants.databases | {"system", "information_schema", "INFORMATION_SCHEMA"}:
        check_table(parts[0], parts[1], grants)


def _check_table_identifier(_key: str, node: Node, grants: Grants) -> None:
    parts = [str(part) for part in node.get("name_parts", ()) or (node.get("name", ""),)]
    if node.get("children") or len(parts) > 2 or not all(parts):
        raise denied(f"a table by the name {node.get('name', '')!r}")
    check_table(parts[0] if len(parts) == 2 else "", parts[-1], grants)


def _check_show_tables(_key: str, node: Node, grants: Grants) -> None:
    for name in SHOWN_REFUSED:
        if name in node:
            raise denied(f"SHOW with {name.replace('_', ' ')}")
    database = str((node.get("from") or {}).get("name", ""))
    if database.lower() not in ("", "system", "information_schema"):
        check_table(database, "", grants)


def _check_show_columns(_key: str, node: Node, grants: Grants) -> None:
    if "where_expression" in node:
        raise denied("SHOW with a condition")
    check_table(str(node.get("database", "")), str(node.get("table", "")), grants)


_TEXTS: Final = {"type": is_type, "name": is_name, "tokenizer": is_tokenizer, "pattern": is_joda_without_zone}
_CHECKS: Final = {
    "ExplainQuery": _check_explain,
    "Function": _check_function,
    "ColumnsApplyTransformer": _check_apply,
    "Identifier": _check_identifier,
    "TableIdentifier": _check_table_identifier,
    "ShowTablesQuery": _check_show_tables,
    "ShowColumnsQuery": _check_show_columns,
    "ShowIndexesQuery": _check_show_columns,
}
