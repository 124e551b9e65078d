"""Commands with running servers: what they print, in which format, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
from collections.abc import Callable, Iterator

import msgspec
import pyarrow.parquet
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from agents.settings import Settings
from schemas.topics import ALL_TOPICS
from schemas.wire.label import Label
from streams.admin.topics import create_topics
from streams.settings import KafkaSettings
from tests.support.one_line import invoke
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings
from warehouse.store.rows import Identity, rows_of
from watchloop.cli.main import app
from watchloop.cli.nouns import print_rows
from watchloop.people import disabled, read_people, with_password, write_people
from watchloop.processes.folder import DataFolder
from watchloop.processes.up import first_password

Run = Callable[..., Result]

COMMANDS = (
    ("up",),
    ("worker",),
    ("backtest",),
    ("replay",),
    ("query",),
    ("check",),
    ("topics", "create"),
    ("topics", "list"),
    ("warehouse", "install"),
    ("alerts", "list"),
    ("models", "list"),
    ("users", "add"),
    ("users", "list"),
    ("users", "passwd"),
    ("users", "sign-out"),
    ("users", "disable"),
)


@pytest.fixture(autouse=True)
def clean(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no setting of the test's environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATCHLOOP_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def archive(clickhouse: ClickHouseSettings) -> Iterator[Warehouse]:
    """A database with three labels."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database="commands"))
    warehouse.install()
    labels = [Label(event_id=f"e-{n}", model="m", label=f"l{n}", time=1_700_000_000_000) for n in range(3)]
    warehouse.insert("labels", rows_of("labels", labels, Identity("id", 0, 0)), token="one")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def broker(kafka: KafkaSettings) -> KafkaSettings:
    """A Kafka with all topics, under a prefix of this module."""
    settings = msgspec.structs.replace(kafka, prefix="commands.", partitions=2)
    create_topics(settings)
    return settings


def commands_of(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that there is."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from commands_of(child, (*path, name))


def test_every_command_is_known_to_these_tests() -> None:
    """Every command is tested here."""
    assert set(COMMANDS) == set(commands_of(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_works_and_has_an_example(command: tuple[str, ...]) -> None:
    """--help says what the command does and shows an example."""
    answer = invoke(*command, "--help")
    assert answer.exit_code == 0
    assert f"Example: watchloop {' '.join(command)}" in answer.stdout, answer.stdout


def test_without_a_command_there_is_help() -> None:
    """Without arguments the program lists its commands."""
    answer = invoke()
    for name, *_ in COMMANDS:
        assert name in answer.output


@pytest.mark.servers
class TestQuery:
    """``watchloop query`` in all its formats."""

    SQL = "SELECT event_id, label FROM labels ORDER BY event_id"
    ROWS = ({"event_id": "e-0", "label": "l0"}, {"event_id": "e-1", "label": "l1"}, {"event_id": "e-2", "label": "l2"})

    def test_table(self, servers: None) -> None:
        """The default is a table for people."""
        answer = invoke("query", self.SQL)
        assert answer.exit_code == 0
        for row in self.ROWS:
            assert row["event_id"] in answer.stdout
            assert row["label"] in answer.stdout

    def test_json(self, servers: None) -> None:
        """--json and --format json are one object a line."""
        by_option, by_format = invoke("query", self.SQL, "--json"), invoke("query", self.SQL, "--format", "json")
        assert [json.loads(line) for line in by_option.stdout.splitlines()] == list(self.ROWS)
        assert by_option.stdout == by_format.stdout

    def test_csv(self, servers: None) -> None:
        """CSV has a header."""
        assert list(csv.DictReader(io.StringIO(invoke("query", self.SQL, "-f", "csv").stdout))) == list(self.ROWS)

    def test_null_in_csv(self, servers: None) -> None:
        """NULL is an empty cell; a text that looks like it, or is empty, keeps its quotes; no line becomes empty."""
        sql = r"SELECT NULL AS a, 'x,\\N,' AS b, NULL AS c, NULL AS d, '' AS e, '\\N' AS f, NULL AS g"
        assert invoke("query", sql, "-f", "csv").stdout.splitlines()[1] == r',"x,\N,",,,"","\N",'
        assert invoke("query", "SELECT NULL AS a", "-f", "csv").stdout.splitlines() == ['"a"', r"\N"]

    def test_infinity_is_not_null(self, servers: None, tmp_path: pathlib.Path) -> None:
        """What is no finite number is seen in every format, and NULL stays apart from it."""
        numbers = "1 / 0 AS up, -1 / 0 AS down, 0 / 0 AS none, [1 / 0] AS many, toFloat32(1 / 0) AS small"
        sql = f"SELECT {numbers}, nullIf(1, 1) AS nothing, '-nan' AS text"
        row = json.loads(invoke("query", sql, "--json").stdout)
        assert row.pop("none").lstrip("-") == "nan"
        assert row == {"up": "inf", "down": "-inf", "many": ["inf"], "small": "inf", "nothing": None, "text": "-nan"}
        assert invoke("query", sql, "-f", "csv").stdout.splitlines()[1] == 'inf,-inf,nan,"[inf]",inf,,"-nan"'
        table = invoke("query", sql).stdout
        assert [table.count(word) for word in ("-inf", "inf", "-nan", "nan")] == [1, 4, 1, 2]
        invoke("query", sql, "-f", "parquet", "--out", "odd.parquet")
        (row,) = pyarrow.parquet.read_table(tmp_path / "odd.parquet").to_pylist()
        assert [str(row[name]) for name in ("up", "down", "none", "nothing")] == ["inf", "-inf", "nan", "None"]

    def test_parquet_into_a_file(self, servers: None, tmp_path: pathlib.Path) -> None:
        """Parquet goes into the file of --out."""
        answer = invoke("query", self.SQL, "-f", "parquet", "--out", "labels.parquet")
        assert (answer.exit_code, answer.stdout) == (0, "")
        assert pyarrow.parquet.read_table(tmp_path / "labels.parquet").num_rows == 3

    def test_from_standard_input(self, servers: None) -> None:
        """A dash reads the statement from standard input."""
        assert json.loads(invoke("query", "-", "--json", text="SELECT 7 AS seven").stdout) == {"seven": 7}

    @pytest.mark.parametrize(
        "sql", ["SELECT nothing FROM labels", "SELEC 1", "DROP TABLE labels", "INSERT INTO labels (model) VALUES ('x')"]
    )
    def test_refusals_are_one_line(self, servers: None, sql: str) -> None:
        """What ClickHouse refuses is one line and exit code 2."""
        answer = invoke("query", sql)
        assert answer.exit_code == 2
        assert len(answer.stderr.splitlines()) == 1, answer.stderr

    @pytest.mark.parametrize(
        ("sql", "says"),
        [
            ("", "there is no statement on the command line; expected one, such as"),
            ("/* nothing */", "there is no statement on the command line"),
            ("SELEC 1", "query: Syntax error: no statement begins with SELEC; did you mean SELECT?"),
            ("DROP TABLE labels", "this user only reads, and DROP does not. Allowed are SELECT"),
            ("SELECT nothing FROM labels", "`nothing`"),
            ("SELECT nothing FROM labels", "; DESCRIBE TABLE shows the columns of a table"),
            ("SELECT 1 FROM label", "; SHOW TABLES lists the tables and views"),
            ("SELECT 1 +", "Syntax error: failed at position 11 (end of query)"),
            ("SELECT {x:String}", "write the value in its place"),
            ("SELECT number FROM numbers(2000000)", "; ask for less at once, by LIMIT"),
            ("SELECT coun() FROM labels", "did you mean count()?"),
        ],
    )
    def test_refusals_say_what_would_be_right(self, servers: None, sql: str, says: str) -> None:
        """What is wrong, where, and what would be right; no number, version or format that nobody wrote."""
        answer = invoke("query", sql)
        assert answer.exit_code == 2
        assert says in answer.stderr
        for noise in ("DB::Exception", "Code:", "version", "JSONCompact", "http://"):
            assert noise not in answer.stderr

    def test_a_statement_that_is_no_text(self, servers: None, tmp_path: pathlib.Path) -> None:
        """An error says that bytes are not UTF-8, whether they come from the command line or a file."""
        assert "is not valid UTF-8" in invoke("query", "SELECT '\udcff'").stderr
        answer = CliRunner().invoke(app, ["query", "-"], input=b"SELECT '\xff'")
        assert (answer.exit_code, "is not valid UTF-8" in answer.stderr) == (2, True), answer.output
        assert "no statement on standard input" in invoke("query", "-", text="\n").stderr

    def test_a_file_that_cannot_be_written(self, servers: None) -> None:
        """--out into nowhere names the file."""
        answer = invoke("query", self.SQL, "-f", "csv", "--out", "no/such/folder.csv")
        assert answer.exit_code == 2
        assert "no/such/folder.csv" in answer.stderr


@pytest.mark.servers
def test_topics(servers: None) -> None:
    """Creating what exists is fine; the list has every topic with its settings."""
    assert "every topic is there" in invoke("topics", "create").stdout
    topics = {
        row["name"].removeprefix("commands."): row for row in json.loads(invoke("topics", "list", "--json").stdout)
    }
    assert set(topics) == {topic.name for topic in ALL_TOPICS}
    assert topics["predictions"]["partitions"] == 2
    assert "predictions" in invoke("topics", "list").stdout


@pytest.mark.servers
def test_accounts(servers: None, broker: KafkaSettings) -> None:
    """An account is added with a generated password that is shown once, listed without it, changed, and disabled."""
    said = invoke("users", "add", "ada", "--role", "reviewer", "--role", "on-call", "--name", "Ada")
    assert said.exit_code == 0, said.output
    password = said.stdout.split()[-1]
    (listed,) = json.loads(invoke("users", "list", "--json").stdout)
    assert (listed["person"], listed["name"], listed["roles"], listed["disabled"]) == (
        "ada", "Ada", ["reviewer", "on-call"], False,
    )  # fmt: skip
    assert password not in invoke("users", "list").stdout
    before = read_people(broker)["ada"]
    assert password not in before.password_hash
    assert (
        invoke("users", "add", "ada", "--role", "admin", "--password", "-", text="a new long password\n").exit_code == 0
    )
    after = read_people(broker)["ada"]
    assert (after.version, after.roles) == (before.version + 1, ("admin",))
    assert invoke("users", "disable", "ada").exit_code == 0
    disabled = read_people(broker)["ada"]
    assert disabled.disabled
    assert disabled.changed_at >= after.changed_at
    said = invoke("users", "passwd", "ada", "--password", "-", text="another long password\n")
    assert "may still not sign in" in said.stdout
    unknown = invoke("users", "disable", "nobody")
    assert unknown.exit_code == 2
    assert "nobody" in unknown.stderr
    short = invoke("users", "add", "bob", "--role", "reviewer", "--password", "x")
    assert short.exit_code == 2
    assert len(short.stderr.splitlines()) == 1


@pytest.mark.servers
def test_the_first_password_is_printed_while_it_is_valid(
    servers: None, broker: KafkaSettings, tmp_path: pathlib.Path
) -> None:
    """`up` makes the first account and prints its password at each start, as long as it is valid."""
    settings, folder = Settings(kafka=broker), DataFolder(tmp_path / "data")
    folder.path.mkdir()
    password = first_password(settings, folder)
    assert first_password(settings, folder) == password != ""
    account = read_people(broker)["admin"]
    write_people(broker, [with_password(account, "a new long password")])
    assert first_password(settings, folder) == ""
    write_people(broker, [account, disabled(account)])
    assert first_password(settings, folder) == ""


@pytest.mark.servers
@pytest.mark.parametrize("noun", ["alerts", "models"])
def test_empty_lists(servers: None, noun: str) -> None:
    """An empty list is the word none, and an empty array as JSON."""
    assert invoke(noun, "list").stdout.strip() == "none"
    assert json.loads(invoke(noun, "list", "--json").stdout) == []


def test_lists_say_whose_times_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    """The head of a column of times says whether they are the clock's or the stream's; JSON has epoch milliseconds."""
    rows = [{"alert_id": "a", "raised_at": 1_795_424_517_230, "fired_at": 1_488_326_400_000, "told_at": 0}]
    times = {"raised_at": "clock", "told_at": "clock", "fired_at": "stream"}
    print_rows(rows, as_json=False, times=times)
    table = capsys.readouterr().out
    for text in ("raised_at (clock)", "fired_at (stream)", "told_at (clock)", "2026-11-23T09:01:57.230Z", "2017-03-01"):
        assert text in table
    print_rows(rows, as_json=True, times=times)
    assert json.loads(capsys.readouterr().out) == rows


@pytest.mark.servers
def test_warehouse_install_twice(servers: None) -> None:
    """A second installation changes nothing and reports that everything is there."""
    assert invoke("warehouse", "install").exit_code == 0


@pytest.mark.servers
def test_check_names_what_the_warehouse_lacks(servers: None, archive: Warehouse) -> None:
    """A dropped table is a finding of its own, with the command that creates it."""
    archive.command("DROP TABLE gates")
    findings = {finding["what"]: finding for finding in json.loads(invoke("check", "--json").stdout)}
    assert not findings["clickhouse"]["ok"]
    assert findings["clickhouse"]["says"] == "missing: gates; run watchloop warehouse install"
    assert invoke("warehouse", "install").exit_code == 0
    assert archive.lacking() == []


@pytest.mark.servers
def test_check_names_what_is_down(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka and ClickHouse answer, the console does not: exit code 1, and the finding says which."""
    monkeypatch.setenv("WATCHLOOP_CONSOLE_PORT", "1")
    answer = invoke("check", "--json")
    findings = {finding["what"]: finding for finding in json.loads(answer.stdout)}
    assert answer.exit_code == 1
    assert {what for what, finding in findings.items() if not finding["ok"]} == {"console"}
    assert findings["kafka"]["says"].startswith("1 broker")
    assert findings["kafka"]["says"].endswith(os.environ["WATCHLOOP_KAFKA_BOOTSTRAP"])
    assert "console" in invoke("check").stdout


def test_check_with_everything_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server answers: each has a line of its own, exit code 1, no traceback."""
    monkeypatch.setenv("WATCHLOOP_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("WATCHLOOP_CLICKHOUSE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("WATCHLOOP_CONSOLE_PORT", "1")
    answer = invoke("check", "--json")
    assert answer.exit_code == 1
    assert {finding["what"]: finding["ok"] for finding in json.loads(answer.stdout)} == {
        "kafka": False, "clickhouse": False, "console": False,
    }  # fmt: skip
