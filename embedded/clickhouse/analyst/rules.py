"""The rules for ``analyst`` on one engine, which knows its own functions and databases and parses the statements."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from cachetools import FIFOCache

from embedded.clickhouse.analyst.allowed_names import FORMATS_DENIED
from embedded.clickhouse.analyst.readonly_guard import Checked, Reader, check_analyst, check_names, check_settings
from embedded.clickhouse.analyst.statement_tree import (
    FunctionRow,
    Grants,
    denied,
    functions_allowed,
    names_refused,
    zones_taken,
)
from embedded.clickhouse.http.protocol import Query, RefusedRequest

__all__ = ["AnalystRules"]

Ask = Callable[[str, Mapping[str, str]], bytes]
"""Runs a statement with the values of its parameters; returns the answer as TabSeparatedRaw."""

FUNCTIONS: Final = "SELECT name, is_aggregate, alias_to FROM system.functions WHERE origin = 'System'"
COMBINATORS: Final = "SELECT name FROM system.aggregate_function_combinators WHERE NOT is_internal"
FORMATS: Final = "SELECT name FROM system.formats WHERE is_output"
TIME_ZONES: Final = "SELECT time_zone FROM system.time_zones"
DATABASES: Final = "SELECT name FROM system.databases"
INSTALLED: Final = "SELECT count() FROM system.tables WHERE database = {name:String} AND name = 'schema_versions'"
FORMAT_QUERY: Final = "SELECT formatQuerySingleLine({q:String})"
READ_TREE: Final = (
    "WITH parseQueryToJSON({q:String}) AS tree SELECT tree, formatQuerySingleLine(formatQueryFromJSON(tree))"
)
REMEMBERED_MAX: Final = 256
"""Checked statements that are remembered; beyond it the oldest is forgotten."""
REMEMBERED_LENGTH_MAX: Final = 16 * 1024
"""Characters of the longest statement that is remembered."""
OWN_SCOPE: Final = re.compile(r"(?:\.? )?: In scope SELECT formatQuerySingleLine\('.*'\)(?=\. \()", re.DOTALL)
"""The part of an error that quotes the formatting query, which the analyst did not write."""
NO_TREE: Final = "does not support JSON serialization"
ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
)


class AnalystRules:
    """What ``analyst`` may run on one engine. ``database`` is the server's own; ``tree_bytes_max`` bounds a tree.

    A request may choose another database only if the program has installed its tables there. Statements may name
    ``time_zones_max`` different zones in the life of the engine.
    """

    def __init__(self, ask: Ask, *, database: str, tokens_max: int, tree_bytes_max: int, time_zones_max: int) -> None:
        rows = [FunctionRow(row[0], row[1] == "1", row[2]) for row in _rows(ask(FUNCTIONS, {}))]
        self._functions, self._aggregates = functions_allowed({row.name: row for row in rows})
        self._names_refused = names_refused(rows, self._functions)
        self._zones_taken = zones_taken(rows)
        self._time_zones = frozenset(row[0] for row in _rows(ask(TIME_ZONES, {})))
        self._zones_loaded: set[str] = set()
        self._time_zones_max = time_zones_max
        names = sorted((row[0].lower() for row in _rows(ask(COMBINATORS, {}))), key=len)
        self._combinators = tuple(names)
        self._formats = {row[0].lower() for row in _rows(ask(FORMATS, {}))}
        self._database = database
        self._lock = threading.Lock()
        self._generation = 0
        self._databases: frozenset[str] | None = None
        self._checked: FIFOCache[tuple[str, str, tuple[tuple[str, str], ...]], Checked] = FIFOCache(REMEMBERED_MAX)
        self._tokens_max = tokens_max
        self._tree_bytes_max = tree_bytes_max

    def check(self, query: Query, ask: Ask) -> Checked:
        """The statement that runs instead of the query's, and the format of its answer; raises RefusedRequest.

        ``ask`` asks the engine as ``analyst``; before the check it only parses the statement. Checked statements are
        remembered until ``forget``, because dashboards send the same ones again and again.
        """
        check_settings(query.settings)
        check_names(query.parameters)
        checked = self._remembered(query, ask)
        wanted = checked.format or query.fallback_format
        if wanted.lower() in FORMATS_DENIED:
            raise denied(f"the format {wanted}")
        if wanted.lower() not in self._formats:
            reason = f"analyst: Unknown format {wanted}; system.formats has those that there are."
            raise RefusedRequest(73, "UNKNOWN_FORMAT", reason)
        self._load(checked.time_zones)
        return replace(checked, format=wanted)

    def forget(self) -> None:
        """Forget databases and checked statements; call it before and after a statement that changes either."""
        with self._lock:
            self._generation += 1
            self._checked.clear()
            self._databases = None

    def _load(self, zones: frozenset[str]) -> None:
        """Count the time zones that the engine is about to load; raises RefusedRequest where they are too many."""
        with self._lock:
            if len(self._zones_loaded | zones) > self._time_zones_max:
                new = ", ".join(sorted(zones - self._zones_loaded))
                reason = (
                    f"analyst: {new}: no more time zones may be loaded than analyst_time_zones_max "
                    f"({self._time_zones_max}); use one of those that were used before, or UTC."
                )
                raise RefusedRequest(241, "MEMORY_LIMIT_EXCEEDED", reason)
            self._zones_loaded |= zones

    def _remembered(self, query: Query, ask: Ask) -> Checked:
        values = tuple(sorted(query.parameters.items())) if ":" in query.sql and "Identifier" in query.sql else ()
        key = (query.sql, query.database, values)
        with self._lock:
            generation = self._generation
            if key in self._checked:
                return self._checked[key]
        grants = self._grants(query.database, ask)
        checked = check_analyst(query.sql, query.parameters, grants, self._reader(ask), self._tokens_max)
        with self._lock:
            if generation == self._generation and len(query.sql) <= REMEMBERED_LENGTH_MAX and not values:
                self._checked[key] = checked
        return checked

    def _grants(self, database: str, ask: Ask) -> Grants:
        if database != self._database:
            if database.lower() in ("system", "information_schema"):
                raise denied(f"the database {database} as the default; name its tables as {database}.NAME")
            if ask(INSTALLED, {"name": database.translate(ESCAPES)}).strip() != b"1":
                raise denied(f"the database {database}")
        with self._lock:
            generation, databases = self._generation, self._databases
        if databases is None:
            databases = frozenset(row[0] for row in _rows(ask(DATABASES, {})))
            with self._lock:
                self._databases = databases if generation == self._generation else None
        return Grants(
            database,
            databases,
            self._functions,
            self._aggregates,
            self._combinators,
            self._names_refused,
            self._zones_taken,
            self._time_zones,
        )

    def _reader(self, ask: Ask) -> Reader:
        def formatted(sql: str) -> str:
            try:
                line = ask(FORMAT_QUERY, {"q": sql.translate(ESCAPES)}).decode("utf-8", "replace").strip()
            except Exception as error:
                raise RuntimeError(OWN_SCOPE.sub("", str(error))) from error
            if not line:
                raise RuntimeError("Code: 49. DB::Exception: The engine did not format the query. (LOGICAL_ERROR)")
            return line

        def tree(sql: str) -> tuple[bytes, str]:
            try:
                answer = ask(READ_TREE, {"q": sql.translate(ESCAPES)})
            except Exception as error:
                if NO_TREE in str(error):
                    raise RuntimeError(str(denied(" ".join(sql.split(" ")[:2])))) from error
                raise
            if len(answer) > self._tree_bytes_max:
                reason = (
                    f"analyst: The statement has too many parts (analyst_tree_bytes_max is {self._tree_bytes_max})."
                )
                raise RefusedRequest(168, "TOO_BIG_AST", reason)
            encoded, _tab, again = answer.rstrip(b"\n").partition(b"\t")
            return encoded, again.decode("utf-8", "replace")

        return Reader(formatted, tree)


def _rows(answer: bytes) -> list[list[str]]:
    return [line.split("\t") for line in answer.decode().splitlines() if line]
