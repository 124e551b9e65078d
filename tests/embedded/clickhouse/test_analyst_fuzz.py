"""Statements made from ClickHouse's grammar: no accepted one of ``analyst`` reaches a file, a URL or another database.

What is forbidden is planted where the process could reach it, and each source has words that no other answer holds: a
file beside the database, a socket that counts who connects, a table of another database, a system table that is not on
the list. The same statements run against three servers: with the guard alone, with the kernel's walls alone, and with
neither, where they must get out, or the first two would show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.embedded.clickhouse.test_confinement import PASSWORDS, SECRET, Surroundings, needs_walls, surroundings
from tests.support.statements import CARRIERS, FILE_READ, STATEMENT, VALUES, Statement
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers

ROW = "row-of-another-database"
SYSTEM = "max_concurrent_insert_queries"
"""A name that only system.server_settings holds."""


def is_quick(statement: Statement) -> bool:
    """Not one that tries to connect again and again: ``test_confinement`` has those, with one attempt each."""
    return not any(word in statement.sql for word in ("url(", "remote(", "hasColumnInTable("))


OUTSIDE = ("{secret}",)
INSIDE = ("other.", "server_settings")


def is_planted(statement: Statement, words: tuple[str, ...]) -> bool:
    """One that names what no analyst may read."""
    return any(word in statement.sql for word in words)


class BreachError(AssertionError):
    """An answer that holds what it may not, or a trace elsewhere."""


def ask(around: Surroundings, statement: Statement) -> httpx.Response:
    words = {"{secret}": str(around.data / "secrets.json"), "{port}": str(around.listener.port)}
    words["{planted}"] = str(around.data / "planted")

    def told(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    named = {f"param_{name}": told(value) for name, value in VALUES.items() if f"{{{name}:" in statement.sql}
    auth, sql = ("analyst", PASSWORDS["analyst"]), told(statement.sql)
    match statement.way:
        case "address":
            return httpx.get(around.server.url, params={"query": sql, **named}, auth=auth, timeout=PATIENCE_SECONDS)
        case "form":
            return httpx.post(around.server.url, data={"query": sql, **named}, auth=auth, timeout=PATIENCE_SECONDS)
        case "parts":
            parts = {name: (None, value) for name, value in {"query": sql, **named}.items()}
            return httpx.post(around.server.url, files=parts, auth=auth, timeout=PATIENCE_SECONDS)
        case _:
            return httpx.post(
                around.server.url, params=named, content=sql.encode(), auth=auth, timeout=PATIENCE_SECONDS
            )


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
        f"CREATE TABLE other.s (k UInt64, v String) ENGINE = MergeTree ORDER BY k AS SELECT 1, '{ROW}'",
        f"CREATE TABLE other.j (k UInt8, v String) ENGINE = Join(ANY, LEFT, k) AS SELECT 1, '{ROW}'",
        "CREATE DICTIONARY other.d (k UInt64, v String) PRIMARY KEY k "
        "SOURCE(CLICKHOUSE(TABLE 's' DB 'other')) LAYOUT(HASHED()) LIFETIME(0)",
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

    @fuzz(150)
    @given(STATEMENT)
    def attack(statement: Statement) -> None:
        answer = ask(guarded, statement)
        check_all(guarded, statement, answer)
        accepted.append(answer.status_code == 200)

    attack()
    assert sum(accepted) >= len(accepted) / 4


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

    words = OUTSIDE if outside else INSIDE

    @fuzz(100)
    @given(STATEMENT.filter(lambda statement: is_quick(statement) and is_planted(statement, words)))
    def attack(statement: Statement) -> None:
        answer = ask(naked, statement)
        if outside:
            check_outside(naked, statement, answer)
        else:
            check_inside(statement, answer)

    with pytest.raises(BreachError):
        attack()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_place_where_the_engine_evaluates_is_known(
    carrier: str, naked: Surroundings, guarded: Surroundings
) -> None:
    """A source gets out of each place of a statement where no wall stands, and of none where the guard does."""
    statement = Statement(carrier.replace("<>", FILE_READ))
    with pytest.raises(BreachError, match="a file was read"):
        check_all(naked, statement, ask(naked, statement))
    answer = ask(guarded, statement)
    check_all(guarded, statement, answer)
    assert answer.status_code == 403
    assert ask(guarded, Statement(carrier.replace("<>", "'a'"))).status_code in (200, 500)


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
    statement = Statement(sql)
    for around in (naked, guarded):
        answer = ask(around, statement)
        if around is guarded:
            check_all(around, statement, answer)
            assert answer.status_code == 403
        else:
            with pytest.raises(BreachError, match=what):
                check_all(around, statement, answer)
