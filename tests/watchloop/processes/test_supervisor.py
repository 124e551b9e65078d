"""The supervisor: what ends is started again, within bounds, and logs stay small."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from tests.support.waiting import PATIENCE_SECONDS
from watchloop.errors import KeepsEnding
from watchloop.processes.supervisor import LOG_BYTES_MAX, RESTARTS_MAX, RESTARTS_WINDOW_SECONDS, Supervisor
from watchloop.processes.workers import Workers, WorkerSpec


@dataclasses.dataclass
class Fragile:
    """A process that has ended whenever it is asked while ``code`` says so."""

    name: str = "Kafka node 1"
    log: pathlib.Path | None = None
    code: int | None = None
    starts: int = 0

    def ended(self) -> int | None:
        return self.code

    def start(self) -> None:
        self.starts += 1

    def last_words(self) -> str:
        return "No space left on device (log: kafka.log)"


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_ends_is_started_again_and_said() -> None:
    """A person reads which process ended and how; the others are left alone."""
    said: list[str] = []
    broker, worker = Fragile(), Fragile("worker intake")
    supervisor = Supervisor(said.append, Clock())
    supervisor.watch([broker, worker])
    supervisor.check()
    assert said == []
    broker.code = -9
    supervisor.check()
    assert (broker.starts, worker.starts) == (1, 0)
    assert said == ["Kafka node 1 ended (exit code -9); starting it again"]


def test_what_ends_again_and_again_is_given_up() -> None:
    """Past so many starts in a window the program ends with the reason and where the log is."""
    broker, clock = Fragile(code=1), Clock()
    supervisor = Supervisor(lambda _line: None, clock)
    supervisor.watch([broker])
    for _ in range(RESTARTS_MAX - 1):
        clock.now += 1.0
        supervisor.check()
    with pytest.raises(KeepsEnding, match=r"Kafka node 1 ended 5 times within 60 s \(exit code 1\): No space left"):
        supervisor.check()


def test_ends_that_lie_far_apart_are_not_given_up() -> None:
    """A process that ends once in a while is started again for ever."""
    broker, clock = Fragile(code=1), Clock()
    supervisor = Supervisor(lambda _line: None, clock)
    supervisor.watch([broker])
    for _ in range(10 * RESTARTS_MAX):
        clock.now += RESTARTS_WINDOW_SECONDS / (RESTARTS_MAX - 1)
        supervisor.check()
    assert broker.starts == 10 * RESTARTS_MAX


def test_work_that_waits_for_a_process_gets_it() -> None:
    """Whoever waits for Kafka does not keep it from being started again."""
    broker, stop = Fragile(code=-9), threading.Event()

    def work() -> None:
        while not broker.starts:
            time.sleep(0.01)
        broker.code = None

    supervisor = Supervisor(lambda _line: None)
    supervisor.watch([broker])
    supervisor.during(work, stop)
    assert broker.starts >= 1
    assert stop.is_set()


def test_what_ends_again_and_again_ends_the_work() -> None:
    """Work is told to stop when the processes are given up, and the reason is raised."""
    supervisor, stop, seen = Supervisor(lambda _line: None, lambda: 0.0), threading.Event(), threading.Event()
    supervisor.watch([Fragile(code=1)])

    def work() -> None:
        stop.wait()
        seen.set()

    with pytest.raises(KeepsEnding):
        supervisor.during(work, stop)
    assert seen.is_set()


def test_what_work_raises_is_raised() -> None:
    """An error of the work is raised in the thread that reports errors to the person."""

    def work() -> None:
        raise KeepsEnding("told")

    with pytest.raises(KeepsEnding, match="told"):
        Supervisor(lambda _line: None).during(work, threading.Event())


def test_a_large_log_is_set_aside_while_it_is_written(tmp_path: pathlib.Path) -> None:
    """Who appends to a log goes on in the emptied one; the old lines are in NAME.old."""
    log = tmp_path / "worker.log"
    supervisor = Supervisor(lambda _line: None)
    supervisor.watch([Fragile(log=log)])
    supervisor.check()
    with log.open("ab", buffering=0) as out:
        out.write(b"before\n" + bytes(LOG_BYTES_MAX))
        supervisor.check()
        out.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "worker.old").read_bytes().startswith(b"before\n")


def test_a_worker_that_cannot_start_says_why(tmp_path: pathlib.Path) -> None:
    """A worker that ends at once leaves its exit code and its last line, with the place of its log."""
    workers = Workers([WorkerSpec("odd", ("nobody",))], lambda _spec: dict(os.environ), tmp_path, 5.0)
    (worker,) = workers.start()
    assert worker._process is not None
    assert worker._process.wait(PATIENCE_SECONDS) == 2
    assert worker.ended() == 2
    assert str(tmp_path / "odd.log") in worker.last_words()
    workers.stop()


def test_stopping_ends_the_worker(tmp_path: pathlib.Path) -> None:
    """After a stop no worker is left, even one that would not end by itself."""
    workers = Workers([WorkerSpec("slow", ())], lambda _spec: {}, tmp_path, 0.1)
    (worker,) = workers._workers
    worker._command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
    workers.start()
    workers.stop()
    assert isinstance(worker._process, subprocess.Popen)
    assert worker._process.returncode is not None
