"""A long-running program goes on when nothing reads its lines."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest
from rich.console import Console

from tests.support.program import ROOT, environment, run_command
from watchloop.processes.supervisor import Supervisor
from watchloop.terminal import screen
from watchloop.terminal.lasting import Lasting
from watchloop.terminal.live_bar import LiveBar

LINE = "worker intake ended: é ☃ \N{SNOWMAN}" * 40


class Ended:
    """A process that has ended, until it is started again."""

    name, log, code = "worker intake", None, -9

    def ended(self) -> int | None:
        return self.code

    def start(self) -> None:
        self.code = None  # type: ignore[assignment]

    def last_words(self) -> str:
        return ""


def unread() -> TextIO:
    """A pipe whose reader has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def full() -> TextIO:
    """A file on a full disk."""
    return pathlib.Path("/dev/full").open("w")


def ascii_only() -> TextIO:
    """A file with an encoding that lacks most characters."""
    return pathlib.Path(os.devnull).open("w", encoding="ascii")


def standing_still() -> TextIO:
    """A full pipe whose reader is open and reads nothing."""
    _reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    return os.fdopen(writing, "w")


@pytest.fixture(params=[unread, full, ascii_only, standing_still])
def out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """A program's console on an output that cannot be written."""
    make: Callable[[], TextIO] = request.param
    file = make()
    monkeypatch.setattr(sys, "stdout", file)
    yield screen.printing_console(lasting=True)
    monkeypatch.undo()
    file.close()  # nothing waits in it that could fail here


def test_what_ends_is_started_again_where_nobody_reads(out: Console) -> None:
    """The supervisor restarts a process, though its line about the end cannot be written."""
    process = Ended()
    supervisor = Supervisor(lambda line: screen.say(out, line), news=lambda: LINE)
    supervisor.watch([process])
    supervisor.check()
    assert process.ended() is None


def test_whatever_a_program_writes_is_left_out(out: Console) -> None:
    """Lines, tables and bars are written again and again to an output that cannot be written."""
    for _ in range(3):
        screen.say(out, LINE, "yellow")
        screen.print_table(out, ["what"], [[LINE]], title=LINE)
        with LiveBar(out, "replay", 10, clock=iter(range(0, 1000, 100)).__next__) as bar:
            bar.show(3, LINE)


def test_a_reader_that_goes_on_gets_what_comes_then() -> None:
    """Output that does not fit is dropped without a second wait; the next line is written once there is room."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as file:
        here = Lasting(file, reader_seconds_max=0.01)
        for _ in range(200):
            here.write("x" * 999 + "\n")
        assert 50_000 < len(reader.read1(1_000_000)) < 200_000
        here.write("again é\n")
        assert reader.read1(1_000_000).decode() == "again é\n"


@pytest.mark.parametrize("sink", ["closed", "/dev/full"])
def test_the_exit_code_is_what_it_would_be(sink: str, tmp_path: pathlib.Path) -> None:
    """A program ends with its own exit code, and without errors about lines that were not read."""
    code = (
        "import sys; from watchloop.terminal.screen import printing_console, print_error, say\n"
        "out = printing_console(lasting=True)\n"
        "for _ in range(3): say(out, 'still here')\n"
        "print_error('wrong'); sys.exit(7)"
    )
    said = tmp_path / "said"
    with unread() if sink == "closed" else full() as file:
        for streams in ({"stdout": file, "stderr": said.open("w")}, {"stdout": file, "stderr": file}):
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment(PYTHONPATH=str(ROOT)), check=False, **streams
            )  # type: ignore[call-overload]
            assert done.returncode == 7
    assert said.read_text() == "wrong\n"


def test_an_error_that_nobody_reads_has_its_exit_code(tmp_path: pathlib.Path) -> None:
    """A command that fails has its exit code even if its error line cannot be written."""
    with unread() as file:
        done = subprocess.run(
            [sys.executable, "-m", "watchloop", "up", "--config", str(tmp_path / "none.toml")],
            stdout=file, stderr=file, env=environment(PYTHONPATH=str(ROOT)), cwd=tmp_path, check=False,
        )  # fmt: skip
    assert done.returncode == 2


def test_a_short_command_without_a_reader_ends_quietly() -> None:
    """``watchloop … | head`` ends without an error line."""
    command = f"{sys.executable} -m watchloop --help | true"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=environment(PYTHONPATH=str(ROOT)), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert run_command("--help").returncode == 0
