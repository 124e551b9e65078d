"""The user analyst reads the tables, within limits, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import msgspec
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from embedded.clickhouse.analyst.allowed_functions import AGGREGATES_ALLOWED, FUNCTIONS_ALLOWED, TEXT_ARGUMENTS
from embedded.clickhouse.analyst.statement_tree import FunctionRow, functions_allowed, names_refused
from tests.support.analyst_statements import NETWORK, SOURCES, USEFUL, WRITES
from warehouse.client import Warehouse
from warehouse.errors import AuthenticationRefused, QueryRefused
from warehouse.settings import ClickHouseSettings

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def warehouse(clickhouse: ClickHouseSettings) -> Iterator[Warehouse]:
    """One database for the whole file, with one label; no test here may change it."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database="attacked"))
    warehouse.install()
    warehouse.insert("labels", [{"event_id": "e", "model": "m", "label": "up", "time": 1.5}])
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def analyst(warehouse: Warehouse) -> Iterator[Warehouse]:
    analyst = warehouse.as_analyst()
    yield analyst
    analyst.close()


def post(clickhouse: ClickHouseSettings, sql: str, **named: str) -> httpx.Response:
    auth = (clickhouse.analyst_user, clickhouse.analyst_password)
    return httpx.post(clickhouse.url, params=named, content=sql.encode(), auth=httpx.BasicAuth(*auth))


def test_reads_tables_and_views(analyst: Warehouse) -> None:
    """What the writer stored, the analyst sees, through views too."""
    assert analyst.query("SELECT event_id, label FROM labels") == [{"event_id": "e", "label": "up"}]
    assert analyst.query("SELECT count() AS n FROM review_outcomes") == [{"n": 0}]
    assert analyst.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'labels'")
    assert analyst.query("SHOW TABLES LIKE 'labels'") == [{"name": "labels"}]
    assert analyst.query("SELECT 'file(x) -- url(y)' AS text, 'eval' AS b")[0]["text"] == "file(x) -- url(y)"


@pytest.mark.parametrize("sql", WRITES)
def test_changes_are_refused(sql: str, warehouse: Warehouse, analyst: Warehouse) -> None:
    """No statement changes rows, tables, settings or other people's queries; the next query is bounded as before."""
    with pytest.raises(QueryRefused) as refusal:
        analyst.raw(sql)
    assert refusal.value.code in (62, 164, 497)
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 1}]
    settings = analyst.query("SELECT getSetting('readonly') AS r, getSetting('max_result_rows') AS m")
    assert settings == [{"r": 1, "m": 1_000_000}]


@pytest.mark.parametrize("sql", SOURCES)
def test_files_are_out_of_reach(sql: str, analyst: Warehouse, tmp_path: Path) -> None:
    """No spelling of a query shows a file's content."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame")
    with pytest.raises(QueryRefused) as refusal:
        analyst.raw(sql.replace("{path}", str(secret)))
    assert "sesame" not in str(refusal.value)
    assert refusal.value.code in (46, 48, 60, 62, 81, 164, 344, 497)


@pytest.mark.parametrize("sql", NETWORK)
def test_the_network_is_out_of_reach(sql: str, analyst: Warehouse, clickhouse: ClickHouseSettings) -> None:
    """No query makes the server ask another one."""
    with pytest.raises(QueryRefused) as refusal:
        analyst.raw(sql.replace("{url}", clickhouse.url))
    assert refusal.value.code in (164, 497)


@pytest.mark.parametrize("table", ["processes", "server_settings", "user_directories", "query_log", "users", "errors"])
def test_tables_about_the_machine_are_refused(table: str, clickhouse: ClickHouseSettings, analyst: Warehouse) -> None:
    """Other people's queries and the server's paths are not shown, however the table is named."""
    for sql in (
        f"SELECT * FROM system.{table}",
        f"SELECT * FROM `system`.`{table}`",
        f"DESCRIBE system.{table}",
        f"SHOW CREATE TABLE system.{table}",
        f"SELECT 1 IN system.{table}",
        f"SELECT * APPLY(x -> (SELECT count() FROM system.{table})) FROM system.one",
        f"SHOW COLUMNS FROM {table} FROM system",
    ):
        with pytest.raises(QueryRefused) as refusal:
            analyst.raw(sql)
        assert refusal.value.code == 497
    by_parameter = post(clickhouse, f"SELECT * FROM {{d:Identifier}}.{table}", param_d="system")
    assert by_parameter.headers["x-clickhouse-exception-code"] == "497"
    for name in ("a$b", "a$$b"):
        with_dollar = post(clickhouse, f"SELECT * FROM {{{name}:Identifier}}.{table}", **{f"param_{name}": "system"})
        assert with_dollar.headers["x-clickhouse-exception-code"] == "497"
    by_default = post(clickhouse, f"SELECT * FROM {table}", database="system")
    assert by_default.headers["x-clickhouse-exception-code"] == "497"


@pytest.mark.parametrize("sql", ["SHOW PROCESSLIST", "SHOW MERGES", "SHOW CLUSTERS", "SHOW GRANTS", "SHOW USERS"])
def test_what_the_server_does_is_not_shown(sql: str, analyst: Warehouse) -> None:
    """SHOW of what runs, and of who may what, is refused with one code."""
    with pytest.raises(QueryRefused) as refusal:
        analyst.raw(sql)
    assert refusal.value.code == 497


@pytest.fixture
def private(warehouse: Warehouse) -> Iterator[str]:
    """A database that the program has not made, with a table and a row."""
    warehouse.command("CREATE DATABASE private")
    warehouse.command("CREATE TABLE private.t (a String) ENGINE = MergeTree ORDER BY a AS SELECT 'sesame'")
    yield "private"
    warehouse.command("DROP DATABASE private")


def test_another_database_is_out_of_reach(
    private: str, analyst: Warehouse, clickhouse: ClickHouseSettings, warehouse: Warehouse
) -> None:
    """A request reads the database that it is for, and only one in which the program has its tables."""
    for sql in (
        "SELECT * FROM private.t",
        "SELECT 'sesame' IN private.t",
        "SELECT 'x' WHERE 'x' IN (SELECT a FROM private.t)",
        "SELECT * FROM labels JOIN private.t AS p ON 1 = 1",
        "SELECT * APPLY(x -> (SELECT a FROM private.t)) FROM labels",
        "SELECT joinGet(private.t, 'a', 'x')",
        "SELECT * FROM merge('private', 't')",
        "SHOW TABLES FROM private",
        "SHOW COLUMNS FROM t FROM private",
        "SHOW CREATE TABLE private.t",
        "DESCRIBE private.t",
        "EXISTS private.t",
        "SELECT * FROM default.t",
    ):
        with pytest.raises(QueryRefused) as refusal:
            analyst.raw(sql)
        assert refusal.value.code == 497, sql
    named = {"param_d": private, "param_t": "t"}
    assert post(clickhouse, "SELECT * FROM {d:Identifier}.{t:Identifier}", **named).status_code == 403
    assert post(clickhouse, "SELECT * FROM t", database=private).status_code == 403
    assert post(clickhouse, "SELECT * FROM t", database="default").status_code == 403
    own = {"database": warehouse.settings.database, "param_d": warehouse.settings.database}
    assert post(clickhouse, "SELECT event_id FROM {d:Identifier}.labels", **own).text == "e\n"


@pytest.mark.parametrize("sql", USEFUL)
def test_what_analysts_write_is_answered(sql: str, analyst: Warehouse) -> None:
    """The walls leave the language to those who only read."""
    assert analyst.raw(sql)


def test_parameters_that_come_in_any_way(clickhouse: ClickHouseSettings, tmp_path: Path) -> None:
    """The URL, a form and a multipart form meet the same checks."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame")
    sql = f"SELECT {{a$b$:String}}, file('{secret}'), {{a$b$:String}}"
    auth = (clickhouse.analyst_user, clickhouse.analyst_password)
    fields = {"query": sql, "param_a$b$": "x"}
    answers = [
        httpx.post(clickhouse.url, params=fields, auth=auth),
        httpx.post(clickhouse.url, data=fields, auth=auth),
        httpx.post(clickhouse.url, files={name: (None, value) for name, value in fields.items()}, auth=auth),
        httpx.post(
            clickhouse.url, params={"query": "SELECT 1,"}, content=sql.removeprefix("SELECT ").encode(), auth=auth
        ),
        httpx.get(clickhouse.url, params=fields, auth=auth),
    ]
    for answer in answers:
        assert answer.status_code in (400, 403)
        assert "sesame" not in answer.text
    for name in ("format_schema", "input_format_parallel_parsing", "dialect", "allow_experimental_analyzer"):
        answer = httpx.post(clickhouse.url, params={name: "1"}, content=b"SELECT 1", auth=auth)
        assert answer.headers["x-clickhouse-exception-code"] == "164"
    for form in ("Template", "Protobuf", "MySQLWire"):
        answer = httpx.post(clickhouse.url, params={"default_format": form}, content=b"SELECT 1", auth=auth)
        assert answer.headers["x-clickhouse-exception-code"] == "497"


@pytest.mark.parametrize("sql", ["SELECT 1", "SHOW TABLES", "EXPLAIN SELECT 1", "EXISTS labels", "DESCRIBE labels"])
def test_formats_by_their_names(sql: str, clickhouse: ClickHouseSettings, warehouse: Warehouse) -> None:
    """The name of a format may have any case; an unknown format and a forbidden one give different errors."""
    own = {"database": warehouse.settings.database}
    for form in ("xml", "XML", "csvwithnames", "JSON"):
        assert post(clickhouse, f"{sql} FORMAT {form}", **own).status_code == 200
        assert post(clickhouse, sql, default_format=form, **own).status_code == 200
    for form, code in (("Nope", "73"), ("Template", "497"), ("avroconfluent", "497"), ("PROTOBUF", "497")):
        for answer in (
            post(clickhouse, f"{sql} FORMAT {form}", **own),
            post(clickhouse, sql, default_format=form, **own),
        ):
            assert answer.headers["x-clickhouse-exception-code"] == code, answer.text
            assert form in answer.text


def test_nothing_is_written_to_a_file(clickhouse: ClickHouseSettings, tmp_path: Path) -> None:
    """INTO OUTFILE makes no file on the server."""
    for middle in ("INTO OUTFILE", "INTO/**/OUTFILE", "into outfile"):
        answer = post(clickhouse, f"SELECT 1 {middle} '{tmp_path}/out' FORMAT CSV")
        assert answer.status_code >= 400
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["readonly", "max_result_rows", "max_execution_time", "max_memory_usage"])
def test_settings_in_the_url_change_no_limit(name: str, clickhouse: ClickHouseSettings) -> None:
    """?readonly=0 and its like are refused, and the limit holds afterwards."""
    answer = post(clickhouse, "SELECT 1", **{name: "0"})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "164")
    many = post(clickhouse, "SELECT number FROM numbers(1000001) FORMAT Null")
    limit = post(clickhouse, "SELECT number FROM numbers(1000001)")
    assert many.status_code == 200 or many.headers["x-clickhouse-exception-code"] == "396"
    assert limit.headers["x-clickhouse-exception-code"] == "396"


def test_limits_of_time_and_memory(analyst: Warehouse) -> None:
    """A query that would fill the memory fails with ClickHouse's code."""
    with pytest.raises(QueryRefused) as refusal:
        analyst.query("SELECT length(groupArray(number)) FROM numbers(1000000000)")
    assert refusal.value.code == 241
    for sql in (
        "SELECT printf('%1000000000d', 1)",
        "SELECT length(URLHierarchy(concat('http://a', repeat('/a', 200000))))",
        "SELECT length(URLPathHierarchy(concat('http://a', repeat('/a', 200000))))",
    ):
        with pytest.raises(QueryRefused) as refusal:
            analyst.query(sql)
        assert refusal.value.code == 497
    assert analyst.query("SELECT getSetting('max_execution_time') AS s")[0]["s"] == 30


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT estimateCompressionRatio('ZSTD(22)')(1)",
        "SELECT hierarchicalKMeans(100000)([1.0])",
        "SELECT aggThrow(1.0)(1)",
        "SELECT sequenceNextNode('forward', 'head')(now(), 'a', 1, 1)",
        "SELECT timeSeriesRateToGrid(0, 4000000000, 1, 60)(now(), 1.0)",
        "SELECT arrayReduce('hierarchicalKMeans(100000)', [[1.0]])",
    ],
)
def test_functions_that_are_more_than_their_arguments(sql: str, analyst: Warehouse) -> None:
    """A codec, an end of minutes, a failure on purpose, what the engine itself calls an experiment: none is allowed."""
    with pytest.raises(QueryRefused) as refusal:
        analyst.query(sql)
    assert refusal.value.code == 497


WRONG = [
    ("SELEC 1", 62, "no statement begins with SELEC; did you mean SELECT? Allowed are SELECT, WITH"),
    ("hello", 62, "no statement begins with HELLO"),
    ('{"a": 1}', 62, "no statement begins with {"),
    ("-- a comment\nDROP TABLE labels", 164, "this user only reads, and DROP does not. Allowed are SELECT"),
    ("INSERT INTO labels (model) VALUES ('x')", 164, "and INSERT does not"),
    ("SELECT 1 SETTINGS max_threads = 1", 164, "Leave SETTINGS out"),
    ("SELECT 1; SELECT 2", 62, "send them one by one"),
    ("SELECT coun(1) FROM labels", 497, "may not use coun(); did you mean count()?"),
    ("SELECT file('/etc/passwd')", 497, "may not use file(). This user reads the tables of its database"),
    ("SELECT 'a", 62, "failed at position 8 ('a)"),
    ("SELECT (1", 62, "is never closed"),
    ("SELECT * FROM nope", 60, "'nope'"),
]


@pytest.mark.parametrize(("sql", "code", "says"), WRONG)
def test_refusals_say_what_is_wrong_and_what_would_be_right(
    sql: str, code: int, says: str, clickhouse: ClickHouseSettings
) -> None:
    """Text that is no statement is not taken for a write; the error is about the text that was sent."""
    answer = post(clickhouse, sql)
    assert answer.headers["x-clickhouse-exception-code"] == str(code), answer.text
    assert says in answer.text
    assert "formatQuery" not in answer.text


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", "/* nothing */ "])
def test_an_empty_statement_is_told_as_such(sql: str, clickhouse: ClickHouseSettings) -> None:
    """Blanks and comments are no statement."""
    assert "Empty query: there is no statement in it; expected one, such as SELECT 1" in post(clickhouse, sql).text


def test_a_statement_that_is_sent_with_get(clickhouse: ClickHouseSettings) -> None:
    """What GET refuses is told with its first word: it may be meant to write, or be misspelled."""
    auth = (clickhouse.analyst_user, clickhouse.analyst_password)
    answer = httpx.get(clickhouse.url, params={"query": "SELEC 1"}, auth=httpx.BasicAuth(*auth))
    assert "begins with SELEC" in answer.text
    assert "POST" in answer.text


def test_wrong_password(clickhouse: ClickHouseSettings) -> None:
    """A wrong password or user is answered 401 with code 516, and explained on one line."""
    for user, password in (("analyst", "wrong"), ("analyst", ""), ("nobody", "wrong"), ("default", "")):
        answer = httpx.post(clickhouse.url, content=b"SELECT 1", params={"user": user, "password": password})
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (401, "516")
        assert "basic" in answer.headers["www-authenticate"].lower()
    wrong = Warehouse(ClickHouseSettings(url=clickhouse.url, user="analyst", password="wrong", analyst_user="another"))
    with pytest.raises(AuthenticationRefused, match=r"refuses user 'analyst': check user and password") as refusal:
        wrong.ping()
    assert "\n" not in str(refusal.value)


def test_a_plain_client_works_as_analyst(clickhouse: ClickHouseSettings, warehouse: Warehouse) -> None:
    """clickhouse-connect unchanged, sessions and all, reads as analyst; its errors carry the code."""
    host, port = clickhouse.url.removeprefix("http://").split(":")
    client: Any = clickhouse_connect.get_client(
        host=host,
        port=int(port),
        username=clickhouse.analyst_user,
        password=clickhouse.analyst_password,
        database=warehouse.settings.database,
    )
    assert client.query("SELECT count() FROM labels").result_rows == [(1,)]
    assert list(client.query_df("SELECT event_id FROM labels ").event_id) == ["e"]
    with pytest.raises(DatabaseError) as refusal:
        client.command("DROP TABLE labels")
    assert refusal.value.code == 164


def test_a_remembered_check_does_not_outlive_a_change(warehouse: Warehouse, analyst: Warehouse) -> None:
    """A statement that was allowed because a name was no database's is looked at again once there is one."""
    sql = "SELECT 'sesame' IN made_later.a FROM (SELECT ['sesame'] AS a) AS made_later"
    assert analyst.raw(sql) == analyst.raw(sql)
    warehouse.command("CREATE DATABASE made_later")
    try:
        warehouse.command("CREATE TABLE made_later.a (a String) ENGINE = MergeTree ORDER BY a AS SELECT 'sesame'")
        with pytest.raises(QueryRefused) as refusal:
            analyst.raw(sql)
        assert refusal.value.code == 497
    finally:
        warehouse.command("DROP DATABASE made_later")
    assert analyst.raw(sql)


def test_every_function_of_the_engine_is_classified(warehouse: Warehouse) -> None:
    """A name on the lists is a function of this engine, and one that is on no list is refused, alone and as a name."""
    rows = warehouse.query("SELECT name, is_aggregate AS a, alias_to AS alias FROM system.functions")
    table = {row["name"]: FunctionRow(row["name"], bool(row["a"]), row["alias"]) for row in rows}
    functions, _aggregates = functions_allowed(table)
    known = {name.lower() for name in table}
    assert set(TEXT_ARGUMENTS) <= FUNCTIONS_ALLOWED
    assert known >= AGGREGATES_ALLOWED
    future = FunctionRow("readsTheFuture", False, "")
    alias = FunctionRow("castAgain", False, "CAST")
    again, _aggregates = functions_allowed({**table, future.name: future, alias.name: alias})
    assert again == functions
    refused = names_refused([*table.values(), future], functions)
    assert {"readsthefuture", "file", "formatrow", "groupformat", "jsonextract"} <= refused
    assert refused.isdisjoint({"lower", "count", "label", "model", "time"})
