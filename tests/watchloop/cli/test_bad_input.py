"""An error that the user can correct is one line on stderr and exit code 2, and nothing is half started."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from typer.testing import CliRunner

from tests.support.one_line import one_line, run_here
from tests.support.program import environment, run_command
from watchloop.cli.main import app
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints
from watchloop.processes.private_files import write_private


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands wait one second for a server that does not answer."""
    monkeypatch.setattr("watchloop.cli.nouns.ANSWER_SECONDS_MAX", 1.0)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which a server listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


WRONG_WORDS = [
    (("query", "SELECT 1", "--format", "xml"), "'xml' is not one of 'table', 'json', 'csv', 'parquet'"),
    (("query", "SELECT 1", "-f", "json "), "'json ' is not one of"),
    (("query", "SELECT 1", "--fromat", "json"), "--fromat"),
    (("query",), "sql"),
    (("backtest", "x.csv", "--strategy", "best"), "'best' is not one of 'mix', 'learn', 'catch'"),
    (("replay", "x.csv", "--time-unit", "years"), "'years' is not one of"),
    (("up", "--port", "http"), "--port"),
    (("up", "--port", "70000"), "--port"),
    (("up", "--demo", "nope"), "elec2"),
    (("worker", "--role", "nope"), "intake, drift"),
    (("alerts", "lsit"), "'lsit'"),
    (("nope",), "'nope'"),
]


@pytest.mark.parametrize(("words", "reason"), WRONG_WORDS)
def test_a_wrong_command_line_is_one_line(words: tuple[str, ...], reason: str, tmp_path: pathlib.Path) -> None:
    """Wrong options, values and commands are reported like every other error, with what would be right."""
    code, out, err = run_here(list(words), tmp_path, {})
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("watchloop: ")
    assert reason in err
    assert "--help" in err
    assert "Value error" not in err


@pytest.mark.parametrize("word", ["JSON", "Csv", "TABLE"])
def test_formats_are_known_in_any_case(word: str, tmp_path: pathlib.Path) -> None:
    """A format in capitals is accepted: the error is that ClickHouse does not answer."""
    unreachable = {"WATCHLOOP_CLICKHOUSE_URL": "http://127.0.0.1:1"}
    code, _out, err = run_here(["query", "SELECT 1", "--format", word], tmp_path, unreachable)
    assert code == 2
    assert "does not answer" in err


def test_a_port_in_use(tmp_path: pathlib.Path, taken_port: int) -> None:
    """The error names the port and how to choose another; the data folder stays empty."""
    said = one_line("up", "--port", str(taken_port), data=tmp_path / "data", apart=True)
    assert f":{taken_port}" in said
    assert "--port" in said
    assert not (tmp_path / "data").exists()


def test_a_file_in_place_of_the_folder(tmp_path: pathlib.Path) -> None:
    """The error names a data folder that cannot be one."""
    (tmp_path / "data").write_text("I am a file")
    said = one_line("up", "--port", "0", data=tmp_path / "data")
    assert str(tmp_path / "data") in said
    assert "--data" in said


def test_a_worker_whose_folder_cannot_be_made(tmp_path: pathlib.Path) -> None:
    """A worker names a data folder in its settings that is no folder; a missing folder is created."""
    (tmp_path / "file").write_text("I am a file")
    settings = {"WATCHLOOP_WORKER_DATA": str(tmp_path / "file" / "data"), "WATCHLOOP_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    code, _, err = run_here(["worker", "--role", "intake"], tmp_path, settings)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert str(tmp_path / "file" / "data") in err


def test_a_data_folder_with_an_owner(tmp_path: pathlib.Path) -> None:
    """A second program on a data folder names the process id of the first and changes nothing."""
    folder = DataFolder(tmp_path / "data")
    with folder.own():
        answer = run_command("up", "--port", "0", "--data", str(folder.path), cwd=tmp_path)
        owner = (folder.path / "lock").read_text()
        assert folder.is_owned()
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert f"process {owner}" in answer.stderr
    assert owner.isdigit()


def test_addresses_of_a_killed_program_are_none(tmp_path: pathlib.Path) -> None:
    """Endpoints that a killed program left are never taken for those of its successor."""
    folder = DataFolder(tmp_path / "data")
    endpoints = Endpoints(kafka="k", clickhouse=ClickHouseEndpoint(url="u", users={}), console="c")
    with folder.own():
        folder.write_endpoints(endpoints)
        assert folder.endpoints() == msgspec.structs.replace(endpoints, process=os.getpid())
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        write_private(folder.endpoints_file, msgspec.json.encode(msgspec.structs.replace(endpoints, process=gone.pid)))
        assert folder.endpoints() is None


def test_secrets_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    """The error names a damaged file of secrets; the file is not replaced, and no server keeps running."""
    (tmp_path / "data").mkdir(0o700)
    (tmp_path / "data" / "secrets.json").write_text("{")
    (tmp_path / "data" / "secrets.json").chmod(0o600)
    said = one_line("up", "--port", "0", data=tmp_path / "data", apart=True)
    assert "secrets.json" in said
    assert (tmp_path / "data" / "secrets.json").read_text() == "{"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[kafka]\npartitions = 0\n", ["watchloop.toml", "kafka.partitions", ">= 1"]),
        ("[kafka]\npartitions = 'four'\n", ["watchloop.toml", "kafka.partitions", "int"]),
        ("[kafka]\npartition = 4\n", ["watchloop.toml", "kafka.partition", "partitions"]),
        ("[kafak]\npartitions = 4\n", ["watchloop.toml", "kafak", "kafka"]),
        ("[default.triage]\nbudget = 2.0\n", ["default.triage.budget", "<= 1"]),
        ("[default.triage]\nbudget = 0.01\naudit_rate = 0.1\n", ["default.triage", "audit_rate", "budget"]),
        ("[models.churn.triage]\nbudgett = 0.2\n", ["churn", "triage.budgett", "budget"]),
        ("[models.churn.triage]\nbudget = 7\n", ["churn", "triage.budget", "<= 1"]),
        ("[kafka\n", ["watchloop.toml", "TOML"]),
        ("kafka = 3\n", ["watchloop.toml", "kafka", "object"]),
    ],
)
def test_a_wrong_file(tmp_path: pathlib.Path, text: str, names: list[str]) -> None:
    """The error names a wrong setting in a file, the file, and what the setting may be."""
    (tmp_path / "watchloop.toml").write_text(text)
    said = one_line("up", "--port", "0", data=tmp_path / "data")
    for name in names:
        assert name in said, said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("variable", "value", "names"),
    [
        ("WATCHLOOP_KAFKA_PARTITIONS", "many", ["int"]),
        ("WATCHLOOP_KAFKA_PARTITION", "3", ["partitions"]),
        ("WATCHLOOP_DEFAULT_TRIAGE__BUDGET", "-1", ["> 0"]),
        ("WATCHLOOP_MODELS_churn__triage__budget", "7", ["<= 1"]),
        ("WATCHLOOP_NONSENSE", "1", ["KAFKA", "WORKER"]),
        ("WATCHLOOP_MODELS_churn__labels", "[1, ", ["labels"]),
    ],
)
def test_a_wrong_variable(tmp_path: pathlib.Path, variable: str, value: str, names: list[str]) -> None:
    """The error names the variable of a wrong setting, and what the setting may be."""
    said = one_line("up", "--port", "0", data=tmp_path / "data", **{variable: value})
    for name in [variable, *names]:
        assert name in said, said


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    """A configuration file that is named must exist."""
    assert "nowhere.toml" in one_line("up", "--config", "nowhere.toml", data=tmp_path / "data")


def test_the_slot_is_no_setting(tmp_path: pathlib.Path) -> None:
    """WATCHLOOP_SLOT belongs to ``worker``; other commands ignore it."""
    answer = run_command(
        "query", "SELECT 1", cwd=tmp_path, WATCHLOOP_SLOT="3", WATCHLOOP_CLICKHOUSE_URL="http://127.0.0.1:1"
    )
    assert "WATCHLOOP_SLOT" not in answer.stderr


def test_a_broker_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """``--kafka`` with a dead address: the error names it, and no ClickHouse keeps running."""
    said = one_line("up", "--kafka", "127.0.0.1:1", "--port", "0", data=tmp_path / "data", apart=True)
    assert "127.0.0.1:1" in said


def test_a_clickhouse_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """``--clickhouse`` with a dead address: the error names it before a Kafka is started."""
    said = one_line("up", "--clickhouse", "http://127.0.0.1:1", "--port", "0", data=tmp_path / "data", apart=True)
    assert "http://127.0.0.1:1" in said
    assert not (tmp_path / "data" / "kafka").exists()


def test_jars_that_cannot_be_had(tmp_path: pathlib.Path) -> None:
    """An empty folder of jars: the error names the variable, and the option that needs no jars."""
    (tmp_path / "jars").mkdir()
    said = one_line(
        "up", "--port", "0", data=tmp_path / "data", apart=True, WATCHLOOP_KAFKA_JARS=str(tmp_path / "jars")
    )
    assert "WATCHLOOP_KAFKA_JARS" in said
    assert "--kafka" in said


NOWHERE = {"WATCHLOOP_KAFKA_BOOTSTRAP": "127.0.0.1:1", "WATCHLOOP_CLICKHOUSE_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (("topics", "list"), "127.0.0.1:1"),
        (("topics", "create"), "127.0.0.1:1"),
        (("users", "list"), "127.0.0.1:1"),
        (("users", "add", "ada", "--role", "reviewer"), "127.0.0.1:1"),
        (("users", "disable", "ada"), "127.0.0.1:1"),
        (("warehouse", "install"), "http://127.0.0.1:1"),
        (("query", "SELECT 1"), "http://127.0.0.1:1"),
        (("alerts", "list"), "http://127.0.0.1:1"),
        (("models", "list"), "http://127.0.0.1:1"),
    ],
)
def test_commands_without_servers(tmp_path: pathlib.Path, arguments: tuple[str, ...], address: str) -> None:
    """Every command that needs a server says within seconds which one does not answer."""
    assert address in one_line(*arguments, data=tmp_path / "data", **NOWHERE)


@pytest.mark.parametrize(
    "arguments", [("users", "list"), ("topics", "list"), ("warehouse", "install"), ("query", "SELECT 1")]
)
def test_a_folder_on_which_nothing_runs(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    """The error says that no program runs on the named folder, or that there is none, and which address is silent."""
    folder = tmp_path / "pilot"
    said = one_line(*arguments, data=folder, **NOWHERE)
    assert f"no watchloop runs on '{folder}' (there is no such folder): start watchloop up --data {folder}" in said
    folder.mkdir()
    assert f"no watchloop runs on '{folder}' (no endpoints.json there)" in one_line(*arguments, data=folder, **NOWHERE)


def at_rest(folder: pathlib.Path) -> pathlib.Path:
    """A data folder as a stopped program leaves it."""
    folder.mkdir(0o700)
    for server in ("kafka", "clickhouse"):
        (folder / server).mkdir(0o700)
    return folder


NEEDS_KAFKA = (
    ("topics", "list"), ("topics", "create"), ("users", "list"), ("users", "add", "ada", "--role", "reviewer"),
    ("users", "passwd", "ada"), ("users", "sign-out", "ada"), ("users", "disable", "ada"),
    ("replay", "calls.csv", "--model", "m", "--prediction", "answer", "--confidence", "p"),
)  # fmt: skip


@pytest.mark.parametrize("arguments", [*NEEDS_KAFKA, ("warehouse", "install")])
def test_after_a_stop(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    """The servers of a stopped program have no address; the default one, perhaps of another server, is not tried."""
    said = one_line(*arguments, data=at_rest(tmp_path / "pilot"))
    assert f"no watchloop runs on '{tmp_path / 'pilot'}' (no endpoints.json there): start watchloop up" in said
    assert "localhost" not in said


@pytest.mark.parametrize("arguments", NEEDS_KAFKA[:-1])
def test_after_a_stop_with_servers_of_ones_own(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    """An address in the settings is tried, whatever the data folder holds."""
    assert "127.0.0.1:1" in one_line(*arguments, data=at_rest(tmp_path / "pilot"), **NOWHERE)


def test_check_after_a_stop(tmp_path: pathlib.Path) -> None:
    """Each server is reported as stopped, with the command that starts it, and no address."""
    folder = at_rest(tmp_path / "pilot")
    answer = CliRunner().invoke(app, ["check", "--json", "--data", str(folder)], env={})
    assert answer.exit_code == 1
    findings = {finding["what"]: finding["says"] for finding in json.loads(answer.stdout)}
    assert findings == dict.fromkeys(
        ("kafka", "clickhouse", "console"), f"is stopped: it runs with watchloop up --data {folder}"
    )
    assert "localhost" not in answer.output
    assert f"no watchloop runs on '{folder}'" in answer.stderr
    with DataFolder(folder).own():
        starting = CliRunner().invoke(app, ["check", "--data", str(folder)])
    assert "one is about to start or to stop there" in starting.stderr


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    """A small recorded table."""
    file = tmp_path / "calls.csv"
    file.write_text("time,age,plan,answer,p,truth\n" + "".join(f"{n},{20 + n},a,x,0.9,x\n" for n in range(30)))
    return file


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--label", "nolabel"], ["nolabel", "--label", "truth"]),
        (["--features", "age,height"], ["height", "--features", "age"]),
        (["--drop", "weight"], ["weight", "--drop"]),
        (["--prediction", "answer", "--confidence", "conf"], ["conf", "--confidence"]),
        (["--slices", "region"], ["region", "--slices"]),
        (["--time", "when"], ["when", "--time"]),
        ([], ["--prediction", "--train-first"]),
        (["--train-first", "0.2"], ["--label"]),
        (["--prediction", "answer", "--confidence", "age"], ["--confidence", "[0, 1]"]),
    ],
)
def test_a_table_without_the_column(table: pathlib.Path, options: list[str], names: list[str]) -> None:
    """The error names a missing or wrong column with its option, and the columns that exist."""
    said = one_line("replay", str(table), "--model", "churn", *options, data=table.parent / "data", **NOWHERE)
    for name in names:
        assert name in said, said


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("gone.csv", None, "no such file"), ("what.xls", "x", "unknown kind"), ("bad.parquet", "x", "not readable")],
)
def test_a_table_that_is_none(tmp_path: pathlib.Path, name: str, text: str | None, says: str) -> None:
    """A file that is missing, of another format, or damaged is refused in one line."""
    if text is not None:
        (tmp_path / name).write_text(text)
    assert says in one_line("replay", name, "--model", "m", data=tmp_path / "data", **NOWHERE)


def test_replay_to_nowhere(table: pathlib.Path) -> None:
    """A replay first checks that Kafka answers."""
    options = ["--prediction", "answer", "--confidence", "p"]
    said = one_line("replay", str(table), "--model", "m", *options, data=table.parent / "data", **NOWHERE)
    assert "127.0.0.1:1" in said


def test_roles_that_do_not_exist(tmp_path: pathlib.Path) -> None:
    """The error for a wrong role names the roles that exist."""
    said = one_line("users", "add", "ada", "--role", "boss", data=tmp_path / "data", **NOWHERE)
    assert "boss" in said
    assert "reviewer" in said


@pytest.mark.parametrize("odd", ["", "x" * 300, " ada ", "a\nb\x1b[31m", "\udcff\udcfe", "a\u202eb"], ids=ascii)
def test_people_nobody_could_sign_in_as(tmp_path: pathlib.Path, odd: str) -> None:
    """An account's name is checked first: no server is asked, nothing is written."""
    for arguments in (("users", "add", odd), ("users", "add", "ada", "--name", odd or " ")):
        said = one_line(*arguments, "--role", "reviewer", data=tmp_path / "data", **NOWHERE)
        assert "expected" in said
        assert "127.0.0.1:1" not in said
    for verb in ("passwd", "sign-out", "disable"):
        said = one_line("users", verb, odd, data=tmp_path / "data", **NOWHERE)
        assert "127.0.0.1:1" in said


def test_the_environment_of_these_tests_is_clean() -> None:
    """No setting of the test's environment reaches the program."""
    assert not [name for name in environment() if name.startswith("WATCHLOOP_")]
