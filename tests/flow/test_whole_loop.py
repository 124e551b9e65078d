"""The whole loop on the embedded servers, as a newcomer runs it, seen through ClickHouse."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import stat
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from streams.admin.access import USERS
from tests.support.program import Program, processes_of, run_command
from tests.support.waiting import eventually
from watchloop.cli.query import analyst
from watchloop.demo.demo import DEMOS
from watchloop.recorded.table import RecordedTable

pytestmark = pytest.mark.servers

EVENTS = 2_500
MODEL = "elec2"


@dataclasses.dataclass
class Seen:
    """Observations of one run, made while it ran and after it had ended."""

    folder: pathlib.Path
    open_to_others: dict[str, str]
    passwords: set[str]
    processes: dict[int, str]
    live: dict[str, Any]
    refused: dict[str, str]
    live_query: list[dict[str, Any]]
    checked: dict[str, str]
    kafka: str
    code: int
    output: str
    log: str


def ask_as_analyst(url: str, password: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The result of the queries that the user analyst may run, and the errors of those that are refused."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = clickhouse_connect.get_client(
        host=host, port=int(port), username="analyst", password=password, database="watchloop"
    )
    live = {
        "predictions": client.query("SELECT count() FROM predictions").result_rows[0][0],
        "decisions": dict(client.query("SELECT decision, count() FROM verdicts GROUP BY decision").result_rows),
    }
    refused = {}
    for statement in (
        "DROP TABLE predictions",
        "INSERT INTO labels (model, event_id, label) VALUES ('x', 'y', 'z')",
        "TRUNCATE TABLE verdicts",
        "CREATE TABLE mine (x Int8) ENGINE = Memory",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    ):
        try:
            client.command(statement)
        except DatabaseError as error:
            refused[statement] = str(error)
    client.close()
    return live, refused


def open_to_others(folder: pathlib.Path) -> dict[str, str]:
    """The files and folders whose mode lets another account read, write or enter, each with its mode."""
    modes = {}
    for path in (folder, *folder.rglob("*")):
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue  # a server has removed it meanwhile
        if state.st_mode & 0o077 and not stat.S_ISLNK(state.st_mode):
            modes[str(path.relative_to(folder))] = oct(stat.S_IMODE(state.st_mode))
    return modes


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One run of the demo to its end."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    program = Program(folder, "--demo", "elec2", "--events", str(EVENTS), "--seconds", "8", "--exit").start()
    try:
        endpoints = program.endpoints()
        processes = processes_of(folder)

        def look() -> tuple[dict[str, Any], dict[str, str]] | None:
            live, refused = ask_as_analyst(endpoints.clickhouse.url, endpoints.clickhouse.users["analyst"])
            return (live, refused) if live["predictions"] and live["decisions"] else None

        live, refused = eventually("predictions and verdicts in ClickHouse", look, program.log)
        program.freeze()  # it does not end while it is looked at
        asked = run_command("query", "SELECT count() AS n FROM verdicts", "--json", "--data", str(folder))
        live_query = [json.loads(line) for line in asked.stdout.splitlines()]
        checked = run_command("check", "--json", "--data", str(folder))
        others = open_to_others(folder)
        program.thaw()
        code = program.wait()
        yield Seen(
            folder,
            others | open_to_others(folder),
            {*endpoints.kafka_users.values(), *endpoints.clickhouse.users.values()},
            processes,
            live,
            refused,
            live_query,
            {check["what"]: check["says"] for check in json.loads(checked.stdout)},
            endpoints.kafka,
            code,
            program.output(),
            program.log(),
        )
    finally:
        program.end()


@pytest.fixture(scope="module")
def ask(seen: Seen) -> Iterator[Any]:
    """Questions to the archive after the program has ended, as ``watchloop query`` asks them."""
    with analyst(None, seen.folder) as warehouse:
        yield warehouse.query


def only_value(rows: list[dict[str, Any]]) -> Any:
    """The only value of an answer."""
    assert len(rows) == 1
    assert len(rows[0]) == 1
    return next(iter(rows[0].values()))


def test_it_ends_well(seen: Seen) -> None:
    """Exit code 0, a summary with its figures, and no traceback anywhere."""
    assert seen.code == 0, seen.log
    assert "what the loop did" in seen.output
    assert f"{EVENTS}" in seen.output
    for figure in ("frozen model", "learned model", "after review", "tasks answered", "corrections"):
        assert figure in seen.output
    assert "Traceback" not in seen.output + seen.log
    assert "not all" not in seen.output, seen.output


def test_nothing_is_left_running(seen: Seen) -> None:
    """Servers and workers ran, and all have ended with the program."""
    assert len(seen.processes) >= 4, seen.processes
    assert processes_of(seen.folder) == {}


def test_addresses_are_private_and_go_with_the_program(seen: Seen) -> None:
    """endpoints.json exists while the program runs, and is removed when it ends."""
    assert not (seen.folder / "endpoints.json").exists()


def test_no_other_account_reads_the_data_folder(seen: Seen) -> None:
    """Every folder and file that any process of the program makes is its owner's alone, while it runs and after it."""
    assert (seen.folder / "secrets.json").exists()
    assert (seen.folder / "log" / "loop.log").exists()
    assert (seen.folder / "kafka" / "node-1" / "server.properties").exists()
    assert (seen.folder / "clickhouse" / "server.log").exists()
    assert seen.open_to_others == {}


def test_no_command_line_holds_a_password(seen: Seen) -> None:
    """No process has a password in its command line, which every account of a machine can read."""
    assert len(seen.passwords) == len(USERS) + 2
    for command in seen.processes.values():
        assert not any(password in command for password in seen.passwords), command


def test_an_analyst_looks_on_while_it_runs(seen: Seen) -> None:
    """A plain ClickHouse client sees verdicts while the program runs, and may change nothing."""
    assert seen.live["predictions"] > 0
    assert sum(seen.live["decisions"].values()) > 0
    assert len(seen.refused) == 5, f"refused: {list(seen.refused)}"
    assert seen.live_query
    assert seen.live_query[0]["n"] > 0


def test_check_and_up_name_the_same_address_of_kafka(seen: Seen) -> None:
    """The address of Kafka is the same in the output of ``up``, in ``watchloop check`` and in endpoints.json."""
    assert seen.checked["kafka"].startswith(f"1 broker(s) at {seen.kafka}; users sign in at 127.0.0.1:")
    assert re.search(rf"^kafka +{seen.kafka}$", seen.output, re.MULTILINE)


def test_query_answers_after_the_end(seen: Seen) -> None:
    """``watchloop query`` starts the archive for itself, answers, and leaves nothing running."""
    answer = run_command("query", "SELECT count() AS n FROM predictions", "--json", "--data", str(seen.folder))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)["n"] == EVENTS
    assert processes_of(seen.folder) == {}


def test_every_prediction_has_one_verdict(seen: Seen, ask: Any) -> None:
    """Every replayed event is one prediction with one verdict, and nothing was rejected."""
    counts = ask(
        "SELECT (SELECT count() FROM predictions) AS events, (SELECT uniqExact(event_id) FROM predictions) AS ids,"
        " (SELECT count() FROM verdicts) AS verdicts, (SELECT uniqExact(event_id) FROM verdicts) AS judged,"
        " (SELECT count() FROM verdicts WHERE event_id NOT IN (SELECT event_id FROM predictions)) AS strangers,"
        " (SELECT count() FROM rejects) AS rejects"
    )[0]
    assert counts == {
        "events": EVENTS,
        "ids": EVENTS,
        "verdicts": EVENTS,
        "judged": EVENTS,
        "strangers": 0,
        "rejects": 0,
    }


def test_people_see_what_the_budget_allows(ask: Any) -> None:
    """Reviews and audits together stay near the budget of a tenth, and audits near two percent."""
    shares = ask(
        "SELECT avg(decision != 'accept' OR audit) AS seen, avg(audit) AS audited,"
        " min(inclusion_probability) AS lowest, max(inclusion_probability) AS highest,"
        " countIf((decision != 'accept' OR audit) != (task_id != '')) AS unlike FROM verdicts"
    )[0]
    assert 0.05 < shares["seen"] < 0.12
    assert 0.005 < shares["audited"] < 0.04
    assert 0 < shares["lowest"] <= shares["highest"] <= 1
    assert shares["unlike"] == 0


def test_every_task_is_answered_and_learned_from(ask: Any) -> None:
    """Every verdict that asks for a task has one, which is settled and has made one correction."""
    counts = ask(
        "SELECT (SELECT countIf(task_id != '') FROM verdicts) AS wanted,"
        " (SELECT count() FROM tasks_now WHERE lane != 'alert') AS tasks,"
        " (SELECT count() FROM tasks_now WHERE lane != 'alert' AND state = 'settled') AS settled,"
        " (SELECT count() FROM corrections) AS corrections, (SELECT uniqExact(event_id) FROM corrections) AS corrected"
    )[0]
    assert counts["wanted"] > 0
    assert len(set(counts.values())) == 1, counts


def test_the_summary_is_printed_once_all_is_in(seen: Seen, ask: Any) -> None:
    """What the summary says of tasks and corrections is what the archive has at the end."""
    stored = ask(
        "SELECT (SELECT count() FROM tasks_now WHERE state = 'settled') AS tasks,"
        " (SELECT count() FROM corrections) AS corrections"
    )[0]
    said = {name: re.search(rf"{name} +│ (\d+)", seen.output) for name in ("tasks answered", "corrections")}
    assert {name: int(match[1]) for name, match in said.items() if match} == {
        "tasks answered": stored["tasks"],
        "corrections": stored["corrections"],
    }


def test_corrections_are_the_truth(ask: Any) -> None:
    """Simulated reviewers answer from the true labels, and say that they are simulated."""
    demo = DEMOS["elec2"]
    table = RecordedTable.load(demo.file, demo.columns)
    first = int(len(table) * demo.train_first)
    truths = {f"{MODEL}-{first + index}": table.labels[first + index] for index in range(EVENTS)}
    corrected = {row["event_id"]: row["label"] for row in ask("SELECT event_id, label FROM corrections")}
    assert corrected
    assert corrected == {event_id: truths[event_id] for event_id in corrected}
    assert only_value(ask("SELECT min(simulated) AS all FROM opinions")) in (1, True)
    labels = {row["event_id"]: row["label"] for row in ask("SELECT event_id, label FROM labels")}
    assert labels == truths


def test_a_reference_was_made(ask: Any) -> None:
    """2,500 events are enough to make a reference."""
    rows = ask("SELECT model, events FROM reference_windows")
    assert [row["model"] for row in rows][:1] == [MODEL]
    assert rows[0]["events"] >= 2_000


def test_blocks_cover_every_event_once(ask: Any) -> None:
    """The events of all blocks add up to the number of events."""
    assert only_value(ask("SELECT sum(events) AS n FROM blocks")) == EVENTS
