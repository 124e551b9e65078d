"""The program as a person starts it: a process of its own, watched from outside."""

from __future__ import annotations

import os
import pathlib
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TypeVar

from streams.admin.access import scram_client
from streams.settings import KafkaSettings
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, eventually
from watchloop.processes.folder import DataFolder, Endpoints

T = TypeVar("T")

LOG_CHARS = 3_000


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of watchloop."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATCHLOOP_")}
    return {**kept, **more}


def kafka_as(endpoints: Endpoints, user: str) -> KafkaSettings:
    """The Kafka of a running program, for one of its users."""
    return KafkaSettings(
        bootstrap=endpoints.kafka_users_bootstrap, client=scram_client(user, endpoints.kafka_users[user])
    )


def run_command(*arguments: str, cwd: pathlib.Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``watchloop ARGUMENTS`` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "watchloop", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=environment(PYTHONPATH=str(ROOT), **more),
        cwd=cwd,
        check=False,
    )


def on_a_terminal(*arguments: str, columns: int, **more: str) -> tuple[int, str]:
    """The exit code of ``watchloop ARGUMENTS`` on a terminal of so many columns, and all that it writes there.

    Colours are switched off, so that what is left came from data.
    """
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "watchloop", *arguments],
        stdin=subprocess.DEVNULL, stdout=there, stderr=there,
        env=environment(PYTHONPATH=str(ROOT), TERM="dumb", NO_COLOR="1", COLUMNS=str(columns), **more),
    )  # fmt: skip
    os.close(there)
    seen = b""
    while True:
        try:
            more_bytes = os.read(here, 65_536)
        except OSError:  # the other end is closed
            break
        if not more_bytes:
            break
        seen += more_bytes
    os.close(here)
    return process.wait(PATIENCE_SECONDS), seen.decode()


def processes_of(folder: pathlib.Path) -> dict[int, str]:
    """Process id to command line of the processes, other than this one, that use or name a data folder."""
    name = str(folder).encode()
    processes = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command, variables = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            here = str((entry / "cwd").readlink()).encode()  # Kafka runs in its folder and names it nowhere else
        except OSError:
            continue  # it has ended, or is not ours
        if name in command or name in variables or name in here:
            processes[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return processes


class Program:
    """One ``watchloop up`` on a data folder."""

    def __init__(self, folder: pathlib.Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Program:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.output_file.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watchloop", "up", "--data", str(self.folder), "--port", "0", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(PYTHONPATH=str(ROOT)),
                cwd=self.folder.parent,
                start_new_session=True,
                umask=0o022,  # what most accounts have, and what would let everybody read
            )
        return self

    @property
    def output_file(self) -> pathlib.Path:
        return self.folder.parent / f"{self.folder.name}.out"

    def output(self) -> str:
        """What it has written so far."""
        return self.output_file.read_text(errors="replace")

    def log(self) -> str:
        """The last characters of its output and of its workers' logs."""
        files = [self.output_file, *sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-LOG_CHARS:]}" for file in files)

    def endpoints(self) -> Endpoints:
        """Wait until it has started; returns its addresses."""

        def endpoints() -> Endpoints | None:
            assert self.process is not None
            assert self.process.poll() is None, f"ended with {self.process.poll()}\n{self.log()}"
            return DataFolder(self.folder).endpoints()

        return eventually("endpoints.json", endpoints, self.log)

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {PATIENCE_SECONDS:g} s\n{self.log()}") from None

    def freeze(self) -> None:
        """Stop this process with SIGSTOP; its children go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a process that ``freeze`` stopped go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End this process alone with SIGKILL: its children must notice by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Stop the program, also if it is frozen, and wait until none of its processes is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.thaw()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        eventually_gone(self.folder)


def eventually_gone(folder: pathlib.Path) -> None:
    """Wait until no process of a folder is left; kill those that are left when time is up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)


def names(values: Sequence[object]) -> str:
    """Several values as one text, for the message of an assertion."""
    return ", ".join(map(str, values))
