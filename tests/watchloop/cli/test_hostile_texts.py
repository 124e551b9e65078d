"""No command prints texts from data as markup or with control characters."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterator

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog
import typer
from click.testing import Result
from rich.console import Console

from agents.worker.logs import seen_as_written
from schemas.texts.visible import is_visible
from schemas.wire.alert import Alert
from schemas.wire.manifest import Manifest
from schemas.wire.person import Person
from streams.admin.topics import create_topics
from streams.settings import KafkaSettings
from tests.support.one_line import invoke
from tests.support.paths import ROOT
from tests.support.program import on_a_terminal
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings
from warehouse.store.rows import Identity, rows_of
from watchloop.cli.main import app
from watchloop.people import write_people
from watchloop.terminal.live_bar import LiveBar

EVIL = (
    "[/x][bold]\x1b[31m\x1b]8;;http://evil\x07\x1b]52;c;ZXZpbA==\x07\x9b2J\r\x00\x08\u202e\u2066\u200b\ufeff\u3164\u2028"
    "[link=http://evil]:bomb:\x7f"
)
"""Markup of rich, colours, a link, the clipboard, an erased screen, a line begun anew, directions, nothing to see."""
EVIL_NAME = "[/x]\x1b[31m\u202e\u200b"
SEEN = "[/x]"
"""What of it must be there to be read."""
MOVES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""How a bar is drawn again: the cursor moved, a line erased, dim letters."""


@pytest.fixture(autouse=True)
def clean(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no setting of the test's environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATCHLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("watchloop.cli.nouns.ANSWER_SECONDS_MAX", 1.0)


@pytest.fixture(scope="module")
def archive(clickhouse: ClickHouseSettings) -> Iterator[Warehouse]:
    """An alert and a model in which every text is hostile."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database="hostile"))
    warehouse.install()
    alert = Alert(
        alert_id=EVIL, model=EVIL, signal=EVIL, detector=EVIL, severity="high", state="firing", revision=0, fired_at=1,
        fired_at_event=1, changed_at=1_795_424_517_230, changed_by=EVIL, note=EVIL, report_id=EVIL,
        raised_at=1_795_424_517_230, told_at=1_795_424_517_230,
    )  # fmt: skip
    manifest = Manifest(model=EVIL, version=EVIL, recipe="stack", created_at=1_795_424_517_230, reason=EVIL)
    warehouse.insert("alerts", rows_of("alerts", alert, Identity("id", 0, 0)), token="alert")
    warehouse.insert("models", rows_of("models", manifest, Identity("id", 0, 0)), token="model")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def broker(kafka: KafkaSettings) -> KafkaSettings:
    """A Kafka with an account whose name is hostile."""
    settings = msgspec.structs.replace(kafka, prefix="hostile.", partitions=1)
    create_topics(settings)
    write_people(
        settings, [Person(person_id=EVIL_NAME, name=EVIL, roles=("reviewer",), password_hash="x", changed_at=1)]
    )
    return settings


def quoted(text: str) -> str:
    """A text for ClickHouse, by its bytes."""
    return f"char({', '.join(map(str, text.encode()))})"


def bad_settings() -> pathlib.Path:
    """A configuration whose names are hostile."""
    path = pathlib.Path("hostile.toml")
    path.write_text(f"[kafka]\n{json.dumps(EVIL_NAME)} = 1\n")
    return path


def table() -> pathlib.Path:
    """A recorded table whose names and values are hostile."""
    path = pathlib.Path("calls.parquet")
    said = [EVIL_NAME, "b"] * 60
    truth = [EVIL_NAME, EVIL_NAME, "b"] * 40
    columns = {EVIL_NAME: said, "said": said, "truth": truth, "sure": [0.6, 0.7] * 60, "x": list(range(120))}
    pq.write_table(pa.table(columns), path)
    return path


ANSWERS = ("--prediction", "said", "--confidence", "sure")

WALK: dict[tuple[str, ...], Callable[[], list[Result]]] = {
    ("up",): lambda: [invoke("up", "--config", str(bad_settings())), invoke("up", "--data", f"{EVIL_NAME}/no/such")],
    ("worker",): lambda: [invoke("worker", "--role", "intake", "--config", str(bad_settings()))],
    ("backtest",): lambda: [
        invoke("backtest", str(table()), "--label", "truth", *ANSWERS, "--slices", EVIL_NAME, "--drop", EVIL_NAME),
        invoke("backtest", str(table()), "--label", "truth", *ANSWERS, "--slices", EVIL_NAME, "--json"),
        invoke("backtest", str(table()), "--label", "nothing", *ANSWERS),
        invoke("backtest", f"{EVIL_NAME}.csv", "--label", "nothing", *ANSWERS),
    ],
    ("replay",): lambda: [
        invoke("replay", str(table()), "--model", EVIL_NAME, "--drop", "nothing", *ANSWERS),
        invoke("replay", str(table()), "--model", EVIL_NAME, "--rate", "0", *ANSWERS),
    ],
    ("query",): lambda: [
        invoke("query", f"SELECT {quoted(EVIL)} AS `{SEEN}[bold]`, [{quoted(EVIL)}], map({quoted(EVIL)}, 1)"),
        invoke("query", f"SELECT {quoted(EVIL)} AS `{SEEN}[bold]`", "--json"),
        invoke("query", f"SELECT {quoted(EVIL)} AS `{SEEN}\\x1b[31m`"),
        invoke("query", f"SELECT throwIf(1, {quoted(EVIL_NAME)})"),
        invoke("query", f"SELECT `{EVIL_NAME}`"),
        invoke("query", f"SELECT {EVIL}"),
    ],
    ("check",): lambda: [invoke("check"), invoke("check", "--json")],
    ("topics", "create"): lambda: [
        invoke("topics", "create", "--config", str(bad_settings())),
        invoke("topics", "create"),
    ],
    ("topics", "list"): lambda: [invoke("topics", "list", "--config", str(bad_settings())), invoke("topics", "list")],
    ("warehouse", "install"): lambda: [invoke("warehouse", "install", "--config", str(bad_settings()))],
    ("alerts", "list"): lambda: [invoke("alerts", "list"), invoke("alerts", "list", "--json")],
    ("models", "list"): lambda: [invoke("models", "list"), invoke("models", "list", "--json")],
    ("users", "add"): lambda: [
        invoke("users", "add", EVIL_NAME, "--role", "reviewer", "--name", EVIL),
        invoke("users", "add", EVIL_NAME, "--role", EVIL_NAME),
    ],
    ("users", "list"): lambda: [invoke("users", "list"), invoke("users", "list", "--json")],
    ("users", "passwd"): lambda: [
        invoke("users", "passwd", EVIL_NAME),
        invoke("users", "passwd", EVIL_NAME, "--password", EVIL),
        invoke("users", "passwd", EVIL_NAME + "x"),
    ],
    ("users", "sign-out"): lambda: [
        invoke("users", "sign-out", EVIL_NAME),
        invoke("users", "sign-out", EVIL_NAME + "x"),
    ],
    ("users", "disable"): lambda: [invoke("users", "disable", EVIL_NAME), invoke("users", "disable", EVIL_NAME + "x")],
}
"""Of each command, runs that bring hostile texts to everything it says: answers, names, and errors."""


def commands_of(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that there is."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from commands_of(child, (*path, name))


def hidden_in(text: str) -> set[str]:
    """Characters that are not visible, except line ends."""
    return {char for char in text if char != "\n" and not is_visible(char)}


def test_every_command_is_walked() -> None:
    """Every command is tested with hostile texts here."""
    assert set(WALK) == set(commands_of(typer.main.get_command(app)))


@pytest.mark.servers
@pytest.mark.parametrize("command", WALK, ids=" ".join)
def test_what_a_command_says(command: tuple[str, ...], servers: None) -> None:
    """Both streams have only visible characters, brackets stay brackets, and an error is one line."""
    for answer in WALK[command]():
        assert hidden_in(answer.stdout) == set(), answer.stdout
        assert hidden_in(answer.stderr) == set(), answer.stderr
        assert "Traceback" not in answer.output
        assert "💣" not in answer.output
        if answer.exit_code == 2 and "Usage" not in answer.stderr:
            assert len(answer.stderr.splitlines()) == 1, answer.stderr


@pytest.mark.servers
@pytest.mark.parametrize(
    "command", [("alerts", "list"), ("models", "list"), ("users", "list"), ("query",)], ids=" ".join
)
def test_what_was_hidden_can_be_read(command: tuple[str, ...], servers: None) -> None:
    """The texts are printed with visible characters; as JSON they are unchanged."""
    table, as_json = WALK[command]()[:2]
    assert table.exit_code == as_json.exit_code == 0, table.output + as_json.output
    assert SEEN in table.stdout
    assert "\\x1b[31m" in table.stdout
    assert "\\u202e" in table.stdout
    assert EVIL in _values(json.loads(as_json.stdout))


def _values(answer: object) -> Iterator[object]:
    if isinstance(answer, dict):
        for value in answer.values():
            yield from _values(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from _values(value)
    else:
        yield answer


@pytest.mark.servers
def test_brackets_in_an_answer(servers: None) -> None:
    """Text that looks like rich's markup is printed unchanged."""
    assert SEEN in invoke("query", "SELECT '[/x]'").stdout
    assert "[link=http://evil]y[/link]" in invoke("query", "SELECT '[link=http://evil]y[/link]' AS `[bold]`").stdout


@pytest.mark.servers
def test_dates_for_people_milliseconds_for_programs(servers: None) -> None:
    """Tables show times in ISO 8601 with a zone; JSON keeps epoch milliseconds."""
    for noun, column in (("alerts", "raised_at"), ("models", "created_at")):
        assert "2026-11-23T09:01:57.230Z" in invoke(noun, "list").stdout
        assert json.loads(invoke(noun, "list", "--json").stdout)[0][column] == 1_795_424_517_230


@pytest.mark.servers
@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-x", "@x", "\tx", "\rx", '=a"b,""=c', "＝x"])
def test_formulas_in_csv(servers: None, text: str) -> None:
    """CSV keeps data unchanged and warns that a spreadsheet would run them; with the option it puts ' before them."""
    sql = f"SELECT {quoted(text)} AS v, -1 AS n, 'a,\"=b' AS plain"
    answer = invoke("query", sql, "--format", "csv")
    assert list(csv.DictReader(io.StringIO(answer.stdout, newline=""))) == [{"v": text, "n": "-1", "plain": 'a,"=b'}]
    assert "--spreadsheet-safe" in answer.stderr
    safe = invoke("query", sql, "--format", "csv", "--spreadsheet-safe")
    assert next(csv.DictReader(io.StringIO(safe.stdout, newline=""))) == {"v": f"'{text}", "n": "-1", "plain": 'a,"=b'}
    assert safe.stderr == ""
    assert json.loads(invoke("query", sql, "--json").stdout)["v"] == text


@pytest.mark.servers
@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("x;=cmd|' /C calc'!A0;y", "x;'=cmd|' /C calc'!A0;y"),
        ("x\t+1", "x\t'+1"),
        ("x\n-y\n@z", "x\n'-y\n'@z"),
        ("x\r=y", "x\r'=y"),
        ('x;"=y"', 'x;\'"=y"'),
        ('"a";""@b', '"a";\'""@b'),
        ("x;;=y", "x;;'=y"),
        ("=x;=y", "'=x;'=y"),
        ("x;＋y", "x;'＋y"),
    ],
)
def test_formulas_behind_what_splits_a_line(servers: None, text: str, safe: str) -> None:
    """Programs that split at semicolons, tabs or line ends begin a cell within a text."""
    sql = f"SELECT -1 AS n, {quoted(text)} AS v, -2 AS m, ['a;', 'b'] AS l UNION ALL SELECT -1, {quoted(text)}, -2, []"
    answer = invoke("query", sql, "--format", "csv")
    for row in csv.DictReader(io.StringIO(answer.stdout, newline="")):
        assert (row["n"], row["v"], row["m"]) == ("-1", text, "-2")
    assert "--spreadsheet-safe" in answer.stderr
    made = invoke("query", sql, "--format", "csv", "--spreadsheet-safe")
    assert made.stderr == ""
    for row in csv.DictReader(io.StringIO(made.stdout, newline="")):
        assert (row["n"], row["v"], row["m"]) == ("-1", safe, "-2")
        assert row["l"] in ("['a;','b']", "[]")


@pytest.mark.servers
def test_csv_without_formulas_has_no_note(servers: None) -> None:
    """Numbers below zero, lists, and signs within a text are no formulas."""
    answer = invoke(
        "query",
        "SELECT -1 AS n, 'a=b' AS t, [1] AS l, toDate('2020-01-01') AS d, 'x,\"=y' AS q, 'a;b\n1' AS s",
        "-f",
        "csv",
    )
    assert answer.stderr == ""


@pytest.mark.servers
@pytest.mark.parametrize("fmt", ["table", "csv", "json"])
def test_on_a_terminal(servers: None, fmt: str) -> None:
    """On a terminal CSV and JSON have no active control characters either; Parquet is refused."""
    code, seen = on_a_wide_terminal("query", f"SELECT {quoted(EVIL)} AS v", "--format", fmt)
    assert code == 0, seen
    assert SEEN in seen.replace("\\/", "/")
    assert hidden_in(seen.replace("\r\n", "\n")) == set()


@pytest.mark.servers
def test_bytes_are_not_for_a_terminal(servers: None) -> None:
    """Binary formats, by option or by FORMAT, are refused on a terminal; formats of lines are printed."""
    for sql, fmt in (
        ("SELECT 1", "PARQUET"),
        ("SELECT 1 FORMAT parquet", "table"),
        ("SELECT 1 FORMAT Native", "json"),
        ("SELECT 1 FORMAT RowBinaryWithNamesAndTypes", "csv"),
        ("SELECT 1 FORMAT ArrowStream", "table"),
    ):
        code, seen = on_a_wide_terminal("query", sql, "--format", fmt)
        assert code == 2, sql
        assert "--out" in seen
    code, seen = on_a_wide_terminal("query", "SELECT 1 FORMAT XML")
    assert (code, "<rows>1</rows>" in seen) == (0, True)


def on_a_wide_terminal(*arguments: str) -> tuple[int, str]:
    """Run a command on a terminal with these tests' servers; returns its exit code and output."""
    mine = {name: value for name, value in os.environ.items() if name.startswith("WATCHLOOP_")}
    return on_a_terminal(*arguments, columns=400, **mine)


def test_progress_lines() -> None:
    """The line of a progress bar is plain text, on a terminal and elsewhere."""
    now = [0.0]
    plain = Console(file=io.StringIO(), width=400)
    terminal = Console(file=io.StringIO(), width=400, force_terminal=True, no_color=True, _environ={})
    for console in (plain, terminal):
        with LiveBar(console, "replay", 10, clock=lambda: now[0]) as bar:
            now[0] += 60.0
            bar.show(1, EVIL)
        said = console.file.getvalue()  # type: ignore[attr-defined]
        assert SEEN in said
        assert "\x1b]" not in said
        assert "💣" not in said
        assert hidden_in(MOVES.sub("", said).replace("\r", "")) == set()


def test_logs_on_a_terminal() -> None:
    """A log entry is one line, whatever data it has."""
    event = {"event": EVIL, EVIL: EVIL, "number": 3, "list": [EVIL], "exception": f"Traceback\n{EVIL}", "level": "info"}
    written = seen_as_written(logging.getLogger(), "info", event)
    line = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)(
        logging.getLogger(), "info", written
    )
    assert hidden_in(str(line)) == set()
    assert "number" in str(line)


def test_one_file_writes_on_the_terminal() -> None:
    """Everything that watchloop/ prints goes through watchloop/terminal/screen.py, which has this rule."""
    others = [path for path in sorted((ROOT / "watchloop").rglob("*.py")) if path.name != "screen.py"]
    wrong = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)[:80]}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _writes(ast.unparse(node.func))
    ]
    assert wrong == []


def _writes(function: str) -> bool:
    return function in {"print", "typer.echo", "typer.secho", "click.echo", "Console", "Table"} or function.endswith(
        (".stdout.write", ".stderr.write", ".stdout.buffer.write", ".add_row")
    )
