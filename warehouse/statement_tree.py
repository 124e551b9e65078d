"""The tree of a statement against what ``analyst`` may name, whatever its spelling.

The tree is the engine's own (``parseQueryToJSON``): objects with a ``type``, which is the node's, and under their
other keys values or nodes. Every node is looked at, wherever it hangs; a node that is not known here is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from warehouse.analyst_grants import (
    EXPLAIN_KINDS,
    EXPLAIN_SETTINGS,
    FUNCTION_CATEGORIES_ALLOWED,
    FUNCTIONS_ALLOWED,
    INFORMATION_SCHEMA_TABLES_ALLOWED,
    NODES_ALLOWED,
    SYSTEM_TABLES_ALLOWED,
    TABLE_FUNCTIONS_ALLOWED,
)
from warehouse.http_protocol import RefusedRequest

__all__ = ["FunctionRow", "Grants", "check_table", "check_tree", "denied", "functions_allowed", "settings_refused"]

Node = dict[str, Any]
SHOWN_REFUSED: Final = ("clusters", "cluster", "merges", "caches", "where_expression")
"""What SHOW lists beside tables and settings, and conditions, of which the engine makes a statement of its own."""


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A row of ``system.functions``."""

    name: str
    aggregate: bool
    alias_to: str
    category: str


@dataclass(frozen=True, slots=True)
class Grants:
    """What an analyst's request may read: ``database`` is the one it is for, ``databases`` all that there are.

    ``functions`` holds lower-case names, ``aggregates`` those of them that take a combinator of ``combinators``.
    """

    database: str
    databases: frozenset[str]
    functions: frozenset[str]
    aggregates: frozenset[str]
    combinators: tuple[str, ...]


def functions_allowed(rows: Mapping[str, FunctionRow]) -> tuple[frozenset[str], frozenset[str]]:
    """Of the engine's functions those that ``analyst`` may call, and the aggregates among them, in lower case."""
    allowed: set[str] = set(FUNCTIONS_ALLOWED)
    aggregates: set[str] = set()
    for row in rows.values():
        original = rows.get(row.alias_to, row)
        if original.aggregate:
            aggregates.add(row.name.lower())
        elif original.category in FUNCTION_CATEGORIES_ALLOWED or original.name.lower() in FUNCTIONS_ALLOWED:
            allowed.add(row.name.lower())
    return frozenset(allowed | aggregates), frozenset(aggregates)


def check_tree(tree: Node, grants: Grants) -> str:
    """The output format that the statement names, or an empty text; raises RefusedRequest."""
    stack: list[tuple[str, Node]] = [("", tree)]
    while stack:
        key, node = stack.pop()
        _check_node(key, node, grants)
        stack.extend(_children(node))
    named = tree.get("format_ast") or {}
    return str(named.get("name", ""))


def check_table(database: str, table: str, grants: Grants) -> None:
    """Raise RefusedRequest where a table may not be read; an empty database is the request's own."""
    if database == "system":
        if table not in SYSTEM_TABLES_ALLOWED:
            raise denied(f"system.{table}")
    elif database.lower() == "information_schema":
        if table.lower() not in INFORMATION_SCHEMA_TABLES_ALLOWED:
            raise denied(f"{database}.{table}")
    elif database not in ("", grants.database):
        raise denied(f"the database {database}; this request is for {grants.database}")


def denied(what: str) -> RefusedRequest:
    """The refusal of something that is named."""
    return RefusedRequest(497, "ACCESS_DENIED", f"analyst: Not enough privileges: may not use {what}.")


def settings_refused() -> RefusedRequest:
    """The refusal of a setting."""
    return RefusedRequest(164, "READONLY", "analyst: Cannot modify settings in readonly mode.")


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    """The nodes below, each with the key under which it hangs; values have no type and hold none."""
    waiting: list[tuple[str, Any]] = list(node.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            if "type" in value:
                yield key, value
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


def _check_explain_settings(key: str, node: Node) -> None:
    names = {change.get("name") for change in node.get("changes", ())}
    if key != "explain settings" or not names <= EXPLAIN_SETTINGS or set(node) != {"type", "changes"}:
        raise settings_refused()


def _check_explain(_key: str, node: Node, _grants: Grants) -> None:
    if node.get("kind") not in EXPLAIN_KINDS or not isinstance(node.get("query"), dict):
        raise denied(str(node.get("kind")))
    if "settings" in node:
        # The only place where a SetQuery is one of EXPLAIN's own.
        node["explain settings"] = node.pop("settings")


def _check_function(key: str, node: Node, grants: Grants) -> None:
    name = str(node.get("name", ""))
    if key == "table_function":
        if name.lower() not in TABLE_FUNCTIONS_ALLOWED:
            raise denied(f"{name}()")
    else:
        _check_function_name(name, grants)


def _check_function_name(name: str, grants: Grants) -> None:
    if name.lower() in grants.functions or _with_combinators(name.lower(), grants):
        return
    raise denied(f"{name}()")


def _with_combinators(name: str, grants: Grants) -> bool:
    """Whether this is an aggregate with combinators: sumIf, uniqMergeState."""
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in grants.aggregates:
            return True
        waiting += [name.removesuffix(ending) for ending in grants.combinators if name.endswith(ending)]
    return False


def _check_apply(_key: str, node: Node, grants: Grants) -> None:
    if "lambda" not in node:
        _check_function_name(str(node.get("func_name", "")), grants)


def _check_identifier(_key: str, node: Node, grants: Grants) -> None:
    """``x IN database.table`` names a table where a column could stand."""
    parts = [str(part) for part in node.get("name_parts", ())]
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
