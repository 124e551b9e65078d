"""Tables, lines, bars and help break no word, however narrow the terminal."""

from __future__ import annotations

import io
import pathlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from tests.support.program import on_a_terminal
from warehouse.query.run_summary import Accuracies, AlertLine, RunSummary
from watchloop.cli.main import app
from watchloop.terminal import screen
from watchloop.terminal.live_bar import LINE_SECONDS, LiveBar
from watchloop.terminal.screen import print_table, say

WIDTHS = (60, 80, 100)
DRAWN = re.compile("[─-╿]")
"""What tables and panels are drawn with."""

WORDS = st.text(st.sampled_from("abcé漢-_/.,"), min_size=1, max_size=30)
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)


def words(text: str) -> set[str]:
    """The words of a text, without blanks and drawn lines."""
    return set(DRAWN.sub(" ", text).split())


def shown(width: int, names: list[str], rows: list[list[str]]) -> str:
    out = Console(file=io.StringIO(), width=width)
    print_table(out, names, rows, title="what it is", caption="that was it")
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@given(
    st.integers(20, 100),
    st.integers(1, 5).flatmap(
        lambda columns: st.lists(st.lists(TEXTS, min_size=columns, max_size=columns), min_size=1, max_size=4)
    ),
)
def test_tables_of_any_texts(width: int, rows: list[list[str]]) -> None:
    """A table has every word of its cells, whole, and no others."""
    names = [f"column-{number}" for number in range(len(rows[0]))]
    given_words = {word for text in (*names, *(cell for row in rows for cell in row)) for word in text.split()}
    assert words(shown(width, names, rows)) == given_words | words("what it is that was it")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_that_fits_is_one(width: int) -> None:
    """Lines are no longer than the terminal, and the words of a cell stay together."""
    rows = [["lag of record", "no", "1 message, waiting for 3 s: keeping up"], ["kafka", "yes", "at 127.0.0.1:41235"]]
    table = shown(width, ["what", "ok", "says"], rows).splitlines()
    assert max(map(len, table)) <= width
    assert any(re.search(r"│ kafka +│ yes │ at 127.0.0.1:41235", line) for line in table)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_that_does_not_fit_is_lists(width: int) -> None:
    """If the longest words of the columns do not fit side by side, each row is a list of names and values."""
    names = [f"name_of_a_column_{number}" for number in range(6)]
    lines = shown(width, names, [[f"a-value-{row}-{n}" for n in range(6)] for row in range(2)]).splitlines()
    assert "name_of_a_column_3  a-value-1-3" in lines
    assert lines.count("─" * width) == 1


def test_into_a_pipe_tables_are_as_wide_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe gets one line for each row, whatever the width of the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    rows = [[f"row-{number}", "word " * 60 + "end", "x" * 200] for number in range(3)]
    print_table(screen.printing_console(), ["what", "says", "id"], rows)
    lines = [line for line in capsys.readouterr().out.splitlines() if "row-" in line]
    assert [(line.count("word"), "end" in line, "x" * 200 in line) for line in lines] == [(60, True, True)] * 3


@pytest.mark.parametrize("columns", ["", "0", "-5", "²", "wide"])
def test_a_width_that_is_none_is_asked_of_the_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If COLUMNS is no width and there is no terminal, lines have their full width."""
    monkeypatch.setenv("COLUMNS", columns)
    assert screen._columns(io.StringIO()) == screen.PIPE_COLUMNS


def summary() -> RunSummary:
    alert = AlertLine(
        alert_id="a", model="m", signal="features.customer_lifetime_value", detector="population stability",
        severity="high", state="acknowledged", raised_at=1, told_at=1, fired_at=1, fired_at_event=33_699,
        changed_by="ada", report_id="", report_problem="", note="",
    )  # fmt: skip
    return RunSummary(
        events=36_250, verdicts={"accept": 33_699, "review": 2_551}, rejects=0, alerts=[alert], tasks_answered=3_561,
        corrections={"review": 3_561}, versions=[],
        accuracies=Accuracies(labelled=1, frozen=0.627, learned=0.668, after_review=0.679),
    )  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_the_summary_of_a_demo(width: int) -> None:
    """The summary has the same whole words at every width."""
    from watchloop.demo.demo import print_summary

    class Source:
        truths = ("a", "b")

    def printed(columns: int) -> str:
        out = Console(file=io.StringIO(), width=columns)
        print_summary(out, "elec2", summary(), Source())  # type: ignore[arg-type]
        return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]

    assert words(printed(width)) == words(printed(200))
    assert "none was promoted" in printed(200)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_and_bars(width: int) -> None:
    """A line, and the line below a bar, is broken between words."""
    line = "3561 answered by simulated reviewers, 0 alerts firing, customers: 12, in charge: elec2-88, and so on and on"
    out = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True, _environ={})
    say(out, line)
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert words(said) == words(line)
    assert max(map(len, said.splitlines())) <= width
    with LiveBar(out, "backtest", 36_250) as bar:
        bar.show(10, line)
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", out.file.getvalue())  # type: ignore[attr-defined]
    assert words(line) <= words(drawn)
    assert "36250" in drawn
    assert "…" not in drawn


def test_without_a_terminal_a_bar_is_a_line_now_and_then() -> None:
    """A log has a line of progress every ten seconds."""
    out, now = Console(file=io.StringIO(), width=200), [0.0]
    with LiveBar(out, "replay", 100, clock=lambda: now[0]) as bar:
        for second in range(25):
            now[0] = float(second)
            bar.show(second, "100 a second")
    said = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert said == [f"replay: {second} of 100; 100 a second" for second in (int(LINE_SECONDS), 2 * int(LINE_SECONDS))]


COMMANDS = (
    (), ("up",), ("worker",), ("backtest",), ("replay",), ("query",), ("check",), ("topics",), ("topics", "create"),
    ("topics", "list"), ("warehouse",), ("warehouse", "install"), ("alerts",), ("alerts", "list"), ("models",),
    ("models", "list"), ("users",), ("users", "add"), ("users", "list"), ("users", "passwd"), ("users", "sign-out"),
    ("users", "disable"),
)  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help breaks lines only between words: a narrow page has the same words as a wide one."""

    def seen(columns: int) -> set[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERMINAL_WIDTH", str(columns))
        answer = CliRunner().invoke(app, [*command, "--help"])
        assert answer.exit_code == 0
        return words(answer.output)

    assert seen(width) <= seen(400)


def test_errors_on_a_terminal(tmp_path: pathlib.Path) -> None:
    """A long error is broken between words on a terminal; a path stays whole."""
    folder = tmp_path / ("a-folder-with-a-name-that-is-longer-than-any-terminal-of-these" * 2)
    _, said = on_a_terminal("users", "list", "--data", str(folder), "--config", "no-such-file.toml", columns=60)
    assert "no-such-file.toml:" in words(said)
    _, said = on_a_terminal("query", "", "--data", str(folder), columns=60)
    assert {"statement", "expected", "verdicts"} <= words(said)
    assert all(len(line) <= 60 for line in said.replace("\r", "").split("\n"))
