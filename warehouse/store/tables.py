"""Which table holds which topic, and how the tables and views are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from importlib import resources
from string import Template
from typing import Final

from warehouse.errors import UnsupportedTopic

__all__ = [
    "ACCURACY",
    "AUDIT_ANSWERED_MIN",
    "SAME_ROWS",
    "SCHEMA_VERSION",
    "TABLE_OF_TOPIC",
    "Column",
    "install",
    "install_statements",
    "lacking_of",
    "table_of",
]

SCHEMA_VERSION: Final = 9
"""Goes up by one with each change of tables, columns or views in ``sql/``; changes of comments do not count."""

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
"""With fewer answered draws on a day, the view ``accuracy_daily`` gives no accuracy: intervals would hold too seldom.
The number is fixed, so that the view is the same in every database; the Loop page, whose intervals hold at every look,
has the setting ``accuracy.audit_hits_min``."""

ACCURACY: Final = {
    "accuracy_alpha": 0.05,
    "accuracy_tuned_hits": 300,
    "accuracy_residual_variance": 0.2,
    "accuracy_known_share": 0.9,
}
"""Parameters of the interval of the view ``accuracy_so_far``: the defaults of ``[accuracy]`` and the constants of
``review.accuracy``, so that it equals that of the Loop page unless settings were changed. Fixed for the same reason."""

IDENTITY: Final = """_topic_id LowCardinality(String)
        COMMENT 'Kafka''s id of the topic that the row came from',
    _partition UInt32
        COMMENT 'the partition of that topic',
    _offset UInt64
        COMMENT 'the offset of the message in that partition' CODEC(Delta, ZSTD),
    _index UInt32
        COMMENT 'the index in the message, 0 for the first',
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
        COMMENT 'when the row was stored: the clock, UTC' CODEC(Delta, ZSTD)"""

SAME_ROWS: Final = {
    "labels_now": "labels",
    "tasks_now": "tasks",
    "alerts_now": "alerts",
    "people_now": "people",
    "models_now": "models",
    "answers": "corrections",
}
"""Views that only select rows of a table, to that table: the comments of its columns serve both."""

VERSIONS: Final = """CREATE TABLE IF NOT EXISTS $database.schema_versions
(
    version UInt32
        COMMENT 'the version',
    installed_at DateTime64(3, 'UTC') DEFAULT now64(3)
        COMMENT 'when it was installed first: the clock, UTC'
)
ENGINE = MergeTree ORDER BY version
COMMENT 'One row for each version of these tables and views that was installed here.'"""

RECORD_VERSION: Final = """INSERT INTO $database.schema_versions (version)
SELECT $version WHERE $version NOT IN (SELECT version FROM $database.schema_versions)"""


MADE: Final = re.compile(r"CREATE (OR REPLACE )?(?P<kind>TABLE|VIEW) (IF NOT EXISTS )?\w+\.(?P<name>\w+)")
COLUMN: Final = re.compile(
    r"(?P<name>\w+) (?P<type>.*?)(?: DEFAULT .*?| ALIAS .*?)?\s+COMMENT (?P<words>'(?:[^']|'')*')", re.DOTALL
)
TABLE_WORDS: Final = re.compile(r"^COMMENT ('(?:[^']|'')*')", re.MULTILINE)

Column = tuple[str, str]
"""Type and comment of an existing column."""


def table_of(topic: str) -> str:
    """The table of a topic's name without prefix; raises UnsupportedTopic."""
    try:
        return TABLE_OF_TOPIC[topic]
    except KeyError:
        known = ", ".join(TABLE_OF_TOPIC)
        raise UnsupportedTopic(f"topic {topic!r} has no table in ClickHouse; those that have: {known}") from None


def install_statements(database: str, present: Mapping[str, Mapping[str, Column]] | None = None) -> list[str]:
    """The statements that make the database, its tables and views; each may be repeated.

    ``present`` has the columns of the existing tables: those that differ are brought up to date.
    """
    files = sorted(
        (file for file in resources.files("warehouse").joinpath("sql").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    words = {
        "database": database,
        "identity": IDENTITY,
        "version": SCHEMA_VERSION,
        "audit_answered_min": AUDIT_ANSWERED_MIN,
        **ACCURACY,
        "deduplication": f"non_replicated_deduplication_window = {DEDUPLICATION_INSERTS}",
    }
    texts = [VERSIONS, *(text for file in files for text in split_statements(file.read_text()))]
    texts = [Template(text).substitute(words) for text in texts]
    tables = {table_made(text): text for text in texts if text.startswith("CREATE TABLE")}
    statements = [f"CREATE DATABASE IF NOT EXISTS {database}"]
    for text in texts:
        statements.append(with_words_of_table(text, tables))
        if text.startswith("CREATE TABLE"):
            statements += changed_columns(text, (present or {}).get(table_made(text)))
    return [*statements, Template(RECORD_VERSION).substitute(words)]


def split_statements(text: str) -> list[str]:
    r"""The statements of a file of ``sql/``: each ends with a semicolon at a line's end; comment lines are dropped.

    >>> split_statements("-- first\nSELECT 1;\n\nSELECT 2;\n")
    ['SELECT 1', 'SELECT 2']
    """
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement for part in plain.split(";\n") if (statement := part.strip(" \n;"))]


def table_made(statement: str) -> str:
    """The name of the table or view that a CREATE of ``sql/`` makes; empty for another statement.

    >>> table_made("CREATE OR REPLACE VIEW watchloop.tasks_now AS SELECT 1")
    'tasks_now'
    """
    made = MADE.match(statement)
    return made["name"] if made else ""


def column_definitions(statement: str) -> list[str]:
    """The columns of a CREATE TABLE of ``sql/``, each as it is defined; continued lines are indented deeper."""
    body = statement.partition("\n(\n")[2].partition("\n)\n")[0]
    definitions = [part.strip() for part in re.split(r",\n    (?! )", body)]
    return [definition for definition in definitions if not definition.startswith("INDEX ")]


def changed_columns(statement: str, present: Mapping[str, Column] | None) -> list[str]:
    """The statements that bring an existing table up to date with its CREATE TABLE; none if it does not exist.

    Columns are added, made Nullable (themselves or the entries of their maps), and get new comments. Nothing else about
    a column ever changes, as in ``schemas``.
    """
    columns = filter(None, map(COLUMN.match, column_definitions(statement)))
    defined = {column["name"]: column for column in columns}
    wanted = {name: (column["type"], text_of(column["words"])) for name, column in defined.items()}
    if present is None or all(present.get(name) == column for name, column in wanted.items()):
        return []
    table = statement.partition("\n")[0].removeprefix("CREATE TABLE IF NOT EXISTS ")
    own = [definition for definition in column_definitions(statement) if not definition.startswith("_")]
    said = [f"COMMENT COLUMN {name} {column['words']}" for name, column in defined.items()]
    changes = [
        [f"ADD COLUMN IF NOT EXISTS {definition}" for definition in own],
        [f"MODIFY COLUMN {definition}" for definition in own if "Nullable(" in definition],
        [f"MODIFY COMMENT {words}" for words in TABLE_WORDS.findall(statement)] + said,
    ]
    return [f"ALTER TABLE {table} " + ", ".join(some) for some in changes if some]


def with_words_of_table(statement: str, tables: Mapping[str, str]) -> str:
    """A statement that comments a view of ``SAME_ROWS``, with the comments of its table's columns added."""
    head, _, own = statement.partition("\n")
    view = head.partition(".")[2]
    if not head.startswith("ALTER TABLE ") or view not in SAME_ROWS:
        return statement
    columns = filter(None, map(COLUMN.match, column_definitions(tables[SAME_ROWS[view]])))
    others = [
        f"    COMMENT COLUMN IF EXISTS {column['name']} {column['words']},"
        for column in columns
        if f"COMMENT COLUMN {column['name']} " not in own
    ]
    return "\n".join((head, *others, own))


def text_of(literal: str) -> str:
    """The text of a quoted literal of ``sql/``.

    >>> text_of("'the model''s label'")
    "the model's label"
    """
    return literal[1:-1].replace("''", "'")


def lacking_of(present: Mapping[str, Set[str]], database: str) -> list[str]:
    """What ``install`` would add to existing tables with these columns: TABLE, VIEW or TABLE.COLUMN."""
    lacking: list[str] = []
    for statement in install_statements(database):
        made = MADE.match(statement)
        if made is None:
            continue
        name = made["name"]
        if name not in present:
            lacking.append(name)
        elif made["kind"] == "TABLE":
            lacking += [f"{name}.{column}" for column in columns_of(statement) if column not in present[name]]
    return lacking


def columns_of(statement: str) -> list[str]:
    """The names of the columns that a CREATE TABLE of ``sql/`` makes."""
    return [definition.split()[0] for definition in column_definitions(statement)]


def install(
    command: Callable[[str], object], database: str, present: Mapping[str, Mapping[str, Column]] | None = None
) -> None:
    """Make the database or bring it up to date; ``command`` runs one statement, ``present`` has existing columns."""
    for statement in install_statements(database, present):
        command(statement)
