"""What a person can put right is one line on stderr and exit code 2, and nothing is half started."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pytest
from typer.testing import CliRunner

from tests.support.program import environment, processes_of, run_command
from watchloop.cli.main import app
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints
from watchloop.processes.private_files import write_private

LINE_CHARS_MAX = 1_200


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, a second is long enough."""
    monkeypatch.setattr("watchloop.cli.nouns.ANSWER_SECONDS_MAX", 1.0)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def one_line(*arguments: str, data: pathlib.Path, apart: bool = False, **variables: str) -> str:
    """The one line that a command says before it ends with exit code 2, leaving nothing behind.

    ``apart`` runs it in a process of its own, as commands are that start servers.
    """
    given = (*arguments, "--data", str(data))
    code, out, err = (run_apart if apart else run_here)(given, data.parent, variables)
    assert code == 2, f"exit code {code}\n{out}\n{err}"
    assert "Traceback" not in err + out
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert len(lines[0]) < LINE_CHARS_MAX
    assert lines[0].startswith("watchloop: ")
    if apart:
        assert processes_of(data) == {}
    assert not (data / "endpoints.json").exists()
    if data.is_dir():
        assert not DataFolder(data).is_owned()
    return lines[0]


def run_apart(arguments: Sequence[str], cwd: pathlib.Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """In a process of its own."""
    answer = run_command(*arguments, cwd=cwd, **variables)
    return answer.returncode, answer.stdout, answer.stderr


def run_here(arguments: Sequence[str], cwd: pathlib.Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """In this process, which spares the imports."""
    cleared = {name: None for name in os.environ if name.startswith("WATCHLOOP_")}
    with contextlib.chdir(cwd):
        answer = CliRunner().invoke(app, list(arguments), env={**cleared, **variables})
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.stdout, answer.stderr


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
    """What is wrong with options, values and names of commands is said like every other error, with what is right."""
    code, out, err = run_here(list(words), tmp_path, {})
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("watchloop: ")
    assert reason in err
    assert "--help" in err
    assert "Value error" not in err


@pytest.mark.parametrize("word", ["JSON", "Csv", "TABLE"])
def test_formats_are_known_in_any_case(word: str, tmp_path: pathlib.Path) -> None:
    """A format in capitals is that format: what is said is that no ClickHouse answers."""
    unreachable = {"WATCHLOOP_CLICKHOUSE_URL": "http://127.0.0.1:1"}
    code, _out, err = run_here(["query", "SELECT 1", "--format", word], tmp_path, unreachable)
    assert code == 2
    assert "does not answer" in err


def test_a_port_in_use(tmp_path: pathlib.Path, taken_port: int) -> None:
    """The port is named, and how to choose another; nothing is made in the data folder."""
    said = one_line("up", "--port", str(taken_port), data=tmp_path / "data", apart=True)
    assert f":{taken_port}" in said
    assert "--port" in said
    assert not (tmp_path / "data").exists()


def test_a_file_in_place_of_the_folder(tmp_path: pathlib.Path) -> None:
    """A data folder that cannot be one is named."""
    (tmp_path / "data").write_text("I am a file")
    said = one_line("up", "--port", "0", data=tmp_path / "data")
    assert str(tmp_path / "data") in said
    assert "--data" in said


def test_a_worker_whose_folder_cannot_be_made(tmp_path: pathlib.Path) -> None:
    """A worker names the folder of its settings that is none; one that is missing is made."""
    (tmp_path / "file").write_text("I am a file")
    settings = {"WATCHLOOP_WORKER_DATA": str(tmp_path / "file" / "data"), "WATCHLOOP_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    code, _, err = run_here(["worker", "--role", "intake"], tmp_path, settings)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert str(tmp_path / "file" / "data") in err


def test_a_data_folder_with_an_owner(tmp_path: pathlib.Path) -> None:
    """A second program names the first by its process id and leaves the folder alone."""
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
    """What a killed program left is not taken for its successor's, not even before that one has removed it."""
    folder = DataFolder(tmp_path / "data")
    found = Endpoints(kafka="k", clickhouse=ClickHouseEndpoint(url="u", users={}), console="c")
    with folder.own():
        folder.write_endpoints(found)
        assert folder.endpoints() == msgspec.structs.replace(found, process=os.getpid())
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        write_private(folder.endpoints_file, msgspec.json.encode(msgspec.structs.replace(found, process=gone.pid)))
        assert folder.endpoints() is None


def test_secrets_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    """A damaged file of secrets is named; it is not replaced by new ones, and no server stays behind."""
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
    """A wrong setting of the file names itself, its file, and what it may be."""
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
    """A wrong setting of the environment names its variable, and what it may be."""
    said = one_line("up", "--port", "0", data=tmp_path / "data", **{variable: value})
    for name in [variable, *names]:
        assert name in said, said


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    """A configuration file that was named must be there."""
    assert "nowhere.toml" in one_line("up", "--config", "nowhere.toml", data=tmp_path / "data")


def test_the_slot_is_no_setting(tmp_path: pathlib.Path) -> None:
    """WATCHLOOP_SLOT belongs to ``worker``; other commands must not stumble over it."""
    answer = run_command(
        "query", "SELECT 1", cwd=tmp_path, WATCHLOOP_SLOT="3", WATCHLOOP_CLICKHOUSE_URL="http://127.0.0.1:1"
    )
    assert "WATCHLOOP_SLOT" not in answer.stderr


def test_a_broker_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """``--kafka`` to nowhere: the address is named, and no ClickHouse is left running."""
    said = one_line("up", "--kafka", "127.0.0.1:1", "--port", "0", data=tmp_path / "data", apart=True)
    assert "127.0.0.1:1" in said


def test_a_clickhouse_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """``--clickhouse`` to nowhere: the address is named before a Kafka is started."""
    said = one_line("up", "--clickhouse", "http://127.0.0.1:1", "--port", "0", data=tmp_path / "data", apart=True)
    assert "http://127.0.0.1:1" in said
    assert not (tmp_path / "data" / "kafka").exists()


def test_jars_that_cannot_be_had(tmp_path: pathlib.Path) -> None:
    """An empty folder of jars: the line says which variable, and which option does without."""
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
    """Every command that needs a server says which does not answer, within seconds."""
    assert address in one_line(*arguments, data=tmp_path / "data", **NOWHERE)


@pytest.mark.parametrize(
    "arguments", [("users", "list"), ("topics", "list"), ("warehouse", "install"), ("query", "SELECT 1")]
)
def test_a_folder_on_which_nothing_runs(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    """Who names a folder is told that nothing runs on it, or that it is not there, beside which address is silent."""
    folder = tmp_path / "pilot"
    said = one_line(*arguments, data=folder, **NOWHERE)
    assert f"no watchloop runs on '{folder}' (there is no such folder): start watchloop up --data {folder}" in said
    folder.mkdir()
    assert f"no watchloop runs on '{folder}' (no endpoints.json there)" in one_line(*arguments, data=folder, **NOWHERE)


def at_rest(folder: pathlib.Path) -> pathlib.Path:
    """A data folder as a program leaves it when it stops."""
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
    """The servers of a program that has stopped have no address: the default one, somebody else's, is not tried."""
    said = one_line(*arguments, data=at_rest(tmp_path / "pilot"))
    assert f"no watchloop runs on '{tmp_path / 'pilot'}' (no endpoints.json there): start watchloop up" in said
    assert "localhost" not in said


@pytest.mark.parametrize("arguments", NEEDS_KAFKA[:-1])
def test_after_a_stop_with_servers_of_ones_own(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    """An address that the settings name is tried, whatever else the data folder holds."""
    assert "127.0.0.1:1" in one_line(*arguments, data=at_rest(tmp_path / "pilot"), **NOWHERE)


def test_check_after_a_stop(tmp_path: pathlib.Path) -> None:
    """Each server is told as stopped, with what starts it; no address is made up."""
    folder = at_rest(tmp_path / "pilot")
    answer = CliRunner().invoke(app, ["check", "--json", "--data", str(folder)], env={})
    assert answer.exit_code == 1
    found = {one["what"]: one["says"] for one in json.loads(answer.stdout)}
    assert found == dict.fromkeys(
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
    """A column that is not there, or not what it should be, is named with its option and with what there is."""
    said = one_line("replay", str(table), "--model", "churn", *options, data=table.parent / "data", **NOWHERE)
    for name in names:
        assert name in said, said


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("gone.csv", None, "no such file"), ("what.xls", "x", "unknown kind"), ("bad.parquet", "x", "not readable")],
)
def test_a_table_that_is_none(tmp_path: pathlib.Path, name: str, text: str | None, says: str) -> None:
    """A file that is missing, of another kind, or damaged."""
    if text is not None:
        (tmp_path / name).write_text(text)
    assert says in one_line("replay", name, "--model", "m", data=tmp_path / "data", **NOWHERE)


def test_replay_to_nowhere(table: pathlib.Path) -> None:
    """A replay first asks whether Kafka answers."""
    options = ["--prediction", "answer", "--confidence", "p"]
    said = one_line("replay", str(table), "--model", "m", *options, data=table.parent / "data", **NOWHERE)
    assert "127.0.0.1:1" in said


def test_roles_that_do_not_exist(tmp_path: pathlib.Path) -> None:
    """A wrong role of an account names the ones there are."""
    said = one_line("users", "add", "ada", "--role", "boss", data=tmp_path / "data", **NOWHERE)
    assert "boss" in said
    assert "reviewer" in said


@pytest.mark.parametrize("odd", ["", "x" * 300, " ada ", "a\nb\x1b[31m", "\udcff\udcfe", "a\u202eb"], ids=ascii)
def test_people_nobody_could_sign_in_as(tmp_path: pathlib.Path, odd: str) -> None:
    """An account's name is looked at before anything else is: no server is asked, nothing is written."""
    for arguments in (("users", "add", odd), ("users", "add", "ada", "--name", odd or " ")):
        said = one_line(*arguments, "--role", "reviewer", data=tmp_path / "data", **NOWHERE)
        assert "expected" in said
        assert "127.0.0.1:1" not in said
    for verb in ("passwd", "sign-out", "disable"):
        said = one_line("users", verb, odd, data=tmp_path / "data", **NOWHERE)
        assert "127.0.0.1:1" in said


def test_the_environment_of_these_tests_is_clean() -> None:
    """No setting of whoever runs the tests reaches the program."""
    assert not [name for name in environment() if name.startswith("WATCHLOOP_")]
