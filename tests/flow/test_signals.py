"""``watchloop up`` and what happens around it: nobody reads it, its terminal closes, it is stopped while it starts."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.program import ROOT, Program, environment, processes_of
from tests.support.waiting import eventually
from watchloop.processes.folder import DataFolder, Endpoints

pytestmark = [pytest.mark.servers, pytest.mark.faults]

HOST = "::1" if pathlib.Path("/proc/net/if_inet6").exists() else "127.0.0.1"


@pytest.fixture
def unread(tmp_path: pathlib.Path) -> Iterator[Program]:
    """A running program with its console on an IPv6 address, whose standard output nobody reads any more."""
    program = Program(tmp_path / "data")
    command = [sys.executable, "-m", "watchloop", "up", "--data", str(program.folder), "--port", "0"]
    program.process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=program.output_file.open("ab"),
        env=environment(PYTHONPATH=str(ROOT), WATCHLOOP_CONSOLE_HOST=HOST), cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    try:
        program.endpoints()
        assert program.process.stdout is not None
        program.process.stdout.close()
        yield program
    finally:
        program.end()


def worker(program: Program, role: str) -> int:
    """The process of the worker with this role."""
    assert program.process is not None
    pids = [pid for pid, command in processes_of(program.folder).items() if f"--role {role}" in command]
    return pids[0] if pids else 0


def metrics(endpoints: Endpoints) -> str:
    """What /metrics holds; empty while nobody answers."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{endpoints.console}/metrics", timeout=5) as answer,
    ):
        return str(answer.read(), "utf-8")
    return ""


def test_a_worker_ends_and_then_the_terminal_does(unread: Program) -> None:
    """Killed workers are started again although nobody reads the output, and a closed terminal stops the program."""
    endpoints = unread.endpoints()
    for role in ("intake", "desk"):
        eventually("a worker", lambda role=role: worker(unread, role))
        before = worker(unread, role)
        os.kill(before, signal.SIGKILL)
        eventually(
            "another worker",
            lambda role=role, before=before: worker(unread, role) not in (0, before),
            unread.log,
        )
    eventually("metrics", lambda: "watchloop_open_tasks{" in metrics(endpoints), unread.log)
    files = [file.stem.rpartition("_")[2] for file in (unread.folder / "metrics").iterdir()]
    assert set(files) == {"intake", "loop"}, "files by process ids grow with every restart"
    assert unread.process is not None
    assert unread.process.poll() is None
    unread.process.send_signal(signal.SIGHUP)
    assert unread.wait() == 0
    assert DataFolder(unread.folder).endpoints() is None
    assert not processes_of(unread.folder)


def server(program: Program, what: str) -> int:
    """The process of a server that was just started; 0 as long as there is none."""
    return next(
        (pid for pid, command in processes_of(program.folder).items() if what in command and "leash.py" not in command),
        0,
    )


@pytest.mark.parametrize(
    ("number", "what"), [(signal.SIGINT, "kafka.Kafka"), (signal.SIGTERM, "embedded.clickhouse.server")]
)
def test_stopped_while_a_server_does_not_answer(tmp_path: pathlib.Path, number: signal.Signals, what: str) -> None:
    """A stop during a start that waits for a stopped server ends the program in order, with exit code 0."""
    program = Program(tmp_path / "data").start()
    try:
        os.kill(eventually(what, lambda: server(program, what), program.log), signal.SIGSTOP)
        assert program.process is not None
        program.process.send_signal(number)
        assert program.wait() == 0
        assert program.output().rstrip().endswith("stopping")
        assert not processes_of(program.folder)
    finally:
        program.end()
