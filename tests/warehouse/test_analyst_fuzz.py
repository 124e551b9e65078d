"""Statements made from ClickHouse's grammar: no accepted one of ``analyst`` reaches a file, a URL or another database.

What is forbidden is planted where the process could reach it, and each source has words that no other answer holds: a
file beside the database, a socket that counts who connects, a table of another database, a system table that is not on
the list. The same statements run against three servers: with the guard alone, with the kernel's walls alone, and with
neither, where they must get out, or the first two would show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.warehouse.test_confinement import PASSWORDS, SECRET, Surroundings, needs_walls, surroundings

pytestmark = pytest.mark.servers

ROW = "row-of-another-database"
SYSTEM = "max_concurrent_insert_queries"
"""A name that only system.server_settings holds."""
NAMES = ["a", "b$", "a$b$", "$a$", "a$", "$$", "x$1$"]
VALUES = {**dict.fromkeys(NAMES, "x"), "p": "(1)", "d": "other", "t": "t", "s": "system", "ss": "server_settings"}


class Statement(NamedTuple):
    """A statement, and how its parameters travel."""

    sql: str
    form: bool


def joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    """The parts one after the other."""
    return st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts)).map("".join)


NAME = st.sampled_from(NAMES)
SPACE = st.sampled_from([" ", "\n", "\t", "/**/", "/* /* */ */", "-- '\n", "# '\n", "\u00a0", "\u3000", " /* $a$ */ "])
FILE = st.sampled_from(["file", "FILE", "`file`", '"file"', "file/**/"])
SOCKET = "'http://127.0.0.1:{port}/x'"

REACHING = st.one_of(
    joined(FILE, "('{secret}')"),
    st.sampled_from(
        [
            "(SELECT a FROM other.t)",
            "(SELECT a FROM {d:Identifier}.{t:Identifier})",
            "(SELECT groupArray(name) FROM system.server_settings)",
            "(SELECT groupArray(name) FROM {s:Identifier}.{ss:Identifier})",
            "arrayMap(x -> file(x), ['{secret}'])",
            "hasColumnInTable('127.0.0.1:{port}', 'u', 'p', 'd', 't', 'c')",
        ]
    ),
)
NOISE = st.one_of(
    st.sampled_from(["1", "''", "'it''s'", "'\\''", "`a$`", "'$a$'", "NULL", "[1]", "(1, 'a')", "‘$’", "'a' AS `b$$`"]),
    joined("{", NAME, ":String}"),
    joined("{p:Tuple(", NAME, " UInt8)}"),
    joined("1 AS ", NAME),
    NAME.map(lambda name: f"${name}$ ' ${name}$"),
    NAME,
)
EXPRESSION = st.recursive(
    st.one_of(NOISE, NOISE, REACHING),
    lambda inner: st.one_of(
        joined("toString(", inner, ")"),
        joined("[", inner, "]"),
        joined("(", inner, ",", SPACE, inner, ")"),
        joined("(SELECT ", inner, ")"),
        joined("if(1, ", inner, ", ", inner, ")"),
        joined("arrayMap(x -> ", inner, ", [1])"),
        joined("any(", inner, ") OVER ()"),
        joined("CAST(", inner, " AS String)"),
        joined(inner, " IN (SELECT ", inner, ")"),
    ),
    max_leaves=4,
)
SOURCE = st.one_of(
    st.sampled_from(
        [
            "numbers(2)", "system.one", "labels", "other.t", "`other`.t", "{d:Identifier}.{t:Identifier}",
            "system.server_settings", "{s:Identifier}.server_settings", "file('{secret}', 'LineAsString')",
            f"url({SOCKET}, 'LineAsString')", "merge('other', 't')", "loop(other.t)", "`{secret}`",
            "remote('127.0.0.1:{port}', 'other.t')", "view(SELECT * FROM other.t)", "default.t", "system.tables",
        ]
    ),
    joined("(SELECT ", EXPRESSION, " AS a)"),
    joined("view(SELECT ", EXPRESSION, " AS a)"),
    joined("format(LineAsString, ", EXPRESSION, ")"),
    joined("values('a String', ", EXPRESSION, ")"),
    joined("system.one AS o JOIN other.t AS ", NAME, " ON 1 = 1"),
)  # fmt: skip
ENDING = st.sampled_from(
    [
        "",
        "",
        "",
        "",
        " LIMIT 3",
        " FORMAT CSV",
        " SETTINGS max_memory_usage = 0",
        " INTO OUTFILE '{planted}'",
        ";",
        " -- ",
    ]
)
ITEMS = st.lists(
    st.one_of(EXPRESSION, st.just("*"), st.just("* APPLY(x -> (SELECT a FROM other.t))")), min_size=1, max_size=3
)
SELECT = st.builds(
    lambda items, space, source, ending: f"SELECT{space}{f',{space}'.join(items)} FROM {source}{ending}",
    ITEMS, SPACE, SOURCE, ENDING,
)  # fmt: skip
STATEMENT = st.builds(
    Statement,
    st.one_of(
        SELECT,
        SELECT,
        joined("SELECT ", EXPRESSION, ENDING),
        joined("SELECT ", NOISE, ",", SPACE, REACHING, ",", SPACE, NOISE, ENDING),
        joined("SELECT ", FILE, "('{secret}') AS ", NAME, ENDING),
        joined("WITH ", EXPRESSION, " AS w SELECT w"),
        joined(SELECT, " UNION ALL ", SELECT),
        joined("EXPLAIN ", st.sampled_from(["", "AST ", "SYNTAX ", "PLAN ", "header = 1 "]), SELECT),
        joined("DESCRIBE ", SOURCE),
        joined("SHOW TABLES WHERE name = ", EXPRESSION),
        joined("SHOW CREATE TABLE ", SOURCE),
        joined("SELECT 1 IN ", SOURCE),
    ),
    st.booleans(),
)


def is_quick(statement: Statement) -> bool:
    """Not one that tries to connect again and again: ``test_confinement`` has those, with one attempt each."""
    return not any(word in statement.sql for word in ("url(", "remote(", "hasColumnInTable("))


class BreachError(AssertionError):
    """An answer that holds what it may not, or a trace elsewhere."""


def ask(around: Surroundings, statement: Statement) -> httpx.Response:
    words = {"{secret}": str(around.data / "secrets.json"), "{port}": str(around.listener.port)}
    sql = statement.sql
    for word, value in {**words, "{planted}": str(around.data / "planted")}.items():
        sql = sql.replace(word, value)
    auth = ("analyst", PASSWORDS["analyst"])
    named = {f"param_{name}": value for name, value in VALUES.items() if f"{{{name}:" in sql}
    if statement.form:
        return httpx.post(around.server.url, data={"query": sql, **named}, auth=auth, timeout=60)
    return httpx.post(around.server.url, params=named, content=sql.encode(), auth=auth, timeout=60)


def check_outside(around: Surroundings, statement: Statement, answer: httpx.Response) -> None:
    """What lies outside the database's folder: files and the network."""
    if SECRET in answer.text and SECRET not in statement.sql:
        raise BreachError(f"a file was read: {statement.sql}")
    if (around.data / "planted").exists():
        raise BreachError(f"a file was written: {statement.sql}")
    if around.listener.connections:
        raise BreachError(f"a connection was made: {statement.sql}")


def check_inside(statement: Statement, answer: httpx.Response) -> None:
    """What lies within: rows of another database, tables about the machine."""
    if answer.status_code != 200:
        return
    for words in (ROW, SYSTEM):
        if words in answer.text:
            raise BreachError(f"{words} was read: {statement.sql}")


def check_all(around: Surroundings, statement: Statement, answer: httpx.Response) -> None:
    check_outside(around, statement, answer)
    check_inside(statement, answer)


def prepared(around: Surroundings) -> Surroundings:
    for sql in (
        "CREATE TABLE labels (a String) ENGINE = MergeTree ORDER BY a AS SELECT 'plain'",
        "CREATE DATABASE other",
        f"CREATE TABLE other.t (a String) ENGINE = MergeTree ORDER BY a AS SELECT '{ROW}'",
    ):
        assert around.ask(sql, user="watchloop").status_code == 200
    return around


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """The guard alone: the process itself could reach everything."""
    with surroundings(tmp_path_factory.mktemp("guarded"), "walls") as around:
        yield prepared(around)


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """The kernel's walls alone: every statement runs."""
    with surroundings(tmp_path_factory.mktemp("walled"), "guard") as around:
        yield prepared(around)


@pytest.fixture(scope="module")
def naked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """Neither."""
    with surroundings(tmp_path_factory.mktemp("naked"), "guard", "walls") as around:
        yield prepared(around)


def fuzz(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_the_guard_alone_lets_nothing_out(guarded: Surroundings) -> None:
    """No accepted statement reads or writes a file, connects, or reads what is not on the lists; many are accepted."""
    accepted = []

    @fuzz(100)
    @given(STATEMENT)
    def attack(statement: Statement) -> None:
        answer = ask(guarded, statement)
        check_all(guarded, statement, answer)
        accepted.append(answer.status_code == 200)

    attack()
    assert sum(accepted) >= 10


@needs_walls
def test_the_walls_alone_let_nothing_out(walled: Surroundings) -> None:
    """With every statement accepted, no file and no socket outside is reached."""

    @fuzz(50)
    @given(STATEMENT.filter(is_quick))
    def attack(statement: Statement) -> None:
        check_outside(walled, statement, ask(walled, statement))

    attack()


@pytest.mark.parametrize("outside", [True, False])
def test_without_both_the_same_statements_get_out(outside: bool, naked: Surroundings) -> None:
    """This is the test of the two above: what they plant can be reached, and they see it."""

    @fuzz(150)
    @given(STATEMENT.filter(is_quick))
    def attack(statement: Statement) -> None:
        answer = ask(naked, statement)
        if outside:
            check_outside(naked, statement, answer)
        else:
            check_inside(statement, answer)

    with pytest.raises(BreachError):
        attack()


ESCAPES = [
    ("SELECT {a$b$:String}, file('{secret}'), {a$b$:String}", "a file was read"),
    ("SELECT {p:Tuple(a$b$ UInt8)}, file('{secret}'), {p:Tuple(a$b$ UInt8)}", "a file was read"),
    ("SELECT file('{secret}')", "a file was read"),
    ("SELECT * APPLY(file) FROM (SELECT '{secret}')", "a file was read"),
    ("SELECT a FROM other.t", ROW),
    ("SELECT name FROM {s:Identifier}.server_settings", SYSTEM),
]


@pytest.mark.parametrize(("sql", "what"), ESCAPES)
def test_each_known_way_out_is_seen(sql: str, what: str, naked: Surroundings, guarded: Surroundings) -> None:
    """The ways that were found by hand get out where no wall stands, and not where the guard does."""
    statement = Statement(sql, form=False)
    for around in (naked, guarded):
        answer = ask(around, statement)
        if around is guarded:
            check_all(around, statement, answer)
            assert answer.status_code == 403
        else:
            with pytest.raises(BreachError, match=what):
                check_all(around, statement, answer)
