"""Which table holds which topic, and how the tables and views are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from importlib import resources
from string import Template
from typing import Final

from warehouse.errors import UnsupportedTopic

__all__ = ["SCHEMA_VERSION", "TABLE_OF_TOPIC", "install", "install_statements", "lacking_of", "table_of"]

SCHEMA_VERSION: Final = 6
"""Goes up by one whenever a file of ``sql/`` changes."""

TABLE_OF_TOPIC: Final = {
    "predictions": "predictions",
    "labels": "labels",
    "verdicts": "verdicts",
    "verdicts.accepted": "verdicts",
    "rejects": "rejects",
    "blocks": "blocks",
    "alerts": "alerts",
    "review.events": "tasks",
    "review.alerts": "tasks",
    "review.opinions": "opinions",
    "corrections": "corrections",
    "models": "models",
    "gates": "gates",
    "references": "reference_windows",
    "people": "people",
    "settings": "policies",
    "audit": "audit",
}
"""Topic (without prefix) to table; ``model.chunks``, ``sign.outs`` and ``triage.state`` stay in Kafka."""

DEDUPLICATION_INSERTS: Final = 10_000
"""How many inserts a table remembers, so that a repeated one is dropped by its token."""

AUDIT_ANSWERED_MIN: Final = 50
"""Answered draws of a day below which the view ``accuracy_daily`` says no accuracy: an interval of fewer holds too
seldom. The number is fixed, so that a view says the same wherever it is made; the Loop page, whose intervals are of
another kind and hold at every look, has ``accuracy.audit_hits_min``."""

IDENTITY: Final = """_topic_id LowCardinality(String),
    _partition UInt32,
    _offset UInt64 CODEC(Delta, ZSTD),
    _index UInt32,
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD)"""

VERSIONS: Final = """CREATE TABLE IF NOT EXISTS $database.schema_versions
(version UInt32, installed_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY version"""

RECORD_VERSION: Final = """INSERT INTO $database.schema_versions (version)
SELECT $version WHERE $version NOT IN (SELECT version FROM $database.schema_versions)"""


MADE: Final = re.compile(r"CREATE (OR REPLACE )?(?P<kind>TABLE|VIEW) (IF NOT EXISTS )?\w+\.(?P<name>\w+)")


def table_of(topic: str) -> str:
    """The table of a topic's name without prefix; raises UnsupportedTopic."""
    try:
        return TABLE_OF_TOPIC[topic]
    except KeyError:
        known = ", ".join(TABLE_OF_TOPIC)
        raise UnsupportedTopic(f"topic {topic!r} has no table in ClickHouse; those that have: {known}") from None


def install_statements(database: str) -> list[str]:
    """The statements that make the database, its tables and views; each may be repeated."""
    files = sorted(
        (file for file in resources.files("warehouse").joinpath("sql").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    statements = [f"CREATE DATABASE IF NOT EXISTS {database}", VERSIONS]
    for file in files:
        for statement in split_statements(file.read_text()):
            statements += [statement, *altered_columns(statement)]
    statements.append(RECORD_VERSION)
    words = {
        "database": database,
        "identity": IDENTITY,
        "version": SCHEMA_VERSION,
        "audit_answered_min": AUDIT_ANSWERED_MIN,
        "deduplication": f"non_replicated_deduplication_window = {DEDUPLICATION_INSERTS}",
    }
    return [Template(statement).substitute(words) for statement in statements]


def split_statements(text: str) -> list[str]:
    """The statements of a file of ``sql/``: each ends with a semicolon at a line's end; comment lines are dropped."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [part.strip() for part in plain.split(";\n") if part.strip(" \n;")]


def altered_columns(statement: str) -> list[str]:
    """The statements that give an older table the columns it lacks, for a CREATE TABLE of ``sql/``; else none.

    What a column holds never changes, as in ``schemas``, so a table is brought up to date by adding columns. One thing
    may: that a value or an entry of a map can lack. ClickHouse changes nothing where the type is that already.
    """
    if not statement.startswith("CREATE TABLE"):
        return []
    head, _, rest = statement.partition("\n(\n")
    lines = [line.strip().rstrip(",") for line in rest.partition("\n)\n")[0].splitlines()]
    columns = [line for line in lines if not line.startswith(("INDEX ", "$identity"))]
    table = head.removeprefix("CREATE TABLE IF NOT EXISTS ").strip()
    lacking = [column for column in columns if "Nullable(" in column]
    changes = [[f"ADD COLUMN IF NOT EXISTS {column}" for column in columns]]
    changes.append([f"MODIFY COLUMN {column}" for column in lacking])
    return [f"ALTER TABLE {table} " + ", ".join(some) for some in changes if some]


def lacking_of(present: Mapping[str, Set[str]], database: str) -> list[str]:
    """What ``install`` would make where there are these tables, with these columns: TABLE, VIEW or TABLE.COLUMN."""
    found: list[str] = []
    for statement in install_statements(database):
        made = MADE.match(statement)
        if made is None:
            continue
        name = made["name"]
        if name not in present:
            found.append(name)
        elif made["kind"] == "TABLE":
            found += [f"{name}.{column}" for column in columns_of(statement) if column not in present[name]]
    return found


def columns_of(statement: str) -> list[str]:
    """The names of the columns that a CREATE TABLE of ``sql/`` makes."""
    lines = statement.partition("\n(\n")[2].partition("\n)\n")[0].splitlines()
    return [line.split()[0] for line in lines if not line.strip().startswith("INDEX ")]


def install(command: Callable[[str], object], database: str) -> None:
    """Make or bring up to date the database; ``command`` runs one statement."""
    for statement in install_statements(database):
        command(statement)
