"""One Kafka and one ClickHouse for all processes of a test run, each started when a test first asks for it.

``python -m tests.support.shared_servers FOLDER`` is the process that has them: pytest starts it on a leash before its
own processes. A test process asks by a file ``kafka.wanted`` in the folder and reads the address from ``kafka.json``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from embedded.leash import spawn, stop
from tests.support.paths import ROOT
from tests.support.waiting import eventually

__all__ = ["PASSWORDS", "Servers", "address_of", "unique_name"]

VARIABLE: Final = "TEST_SERVERS"
"""The folder of the process that has the servers."""
PASSWORDS: Final = {"watchloop": "writer's pässword", "analyst": "analyst:password"}
LOOK_SECONDS: Final = 0.05
STOP_SECONDS_MAX: Final = 60.0


class Servers:
    """The process as pytest sees it: starts it, and ends it when all tests have ended."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="servers-"))
        self.log = (self.folder / "log").open("wb")
        command = [sys.executable, "-m", "tests.support.shared_servers", str(self.folder)]
        self.process: subprocess.Popen[bytes] = spawn(command, stdout=self.log, stderr=self.log, cwd=ROOT)
        os.environ[VARIABLE] = str(self.folder)

    def end(self) -> None:
        """Stop what was started, and remove its folder."""
        self.process.terminate()
        stop(self.process, STOP_SECONDS_MAX)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def address_of(server: str) -> str:
    """The address of ``kafka`` or ``clickhouse``, which is started at the first question."""
    folder = Path(os.environ[VARIABLE])
    (folder / f"{server}.wanted").touch()
    file = folder / f"{server}.json"
    eventually(f"the {server} of the tests", file.exists, (folder / "log").read_text)
    return msgspec.json.decode(file.read_bytes(), type=str)


def unique_name(number: int) -> str:
    """A name that no other test of the run has: ``test`` with the process and the number of the test within it."""
    return f"test{os.environ.get('PYTEST_XDIST_WORKER', '').removeprefix('gw')}_{number}"


def _kafka(stack: contextlib.ExitStack, folder: Path) -> str:
    from embedded.kafka.server import EmbeddedKafka
    from embedded.kafka.settings import EmbeddedKafkaSettings
    from streams.admin.authority import EVERYBODY

    settings = EmbeddedKafkaSettings(log_retention_bytes=256 * 1024 * 1024)
    return stack.enter_context(EmbeddedKafka(folder / "kafka", settings, access=EVERYBODY)).bootstrap


def _clickhouse(stack: contextlib.ExitStack, folder: Path) -> str:
    from embedded.clickhouse.process import EmbeddedClickHouse
    from embedded.clickhouse.settings import EmbeddedClickHouseSettings

    made = EmbeddedClickHouse(folder / "clickhouse", EmbeddedClickHouseSettings(), passwords=PASSWORDS, spawn=spawn)
    return stack.enter_context(made).url


STARTS: Final[dict[str, Callable[[contextlib.ExitStack, Path], str]]] = {"kafka": _kafka, "clickhouse": _clickhouse}


def main(folder: Path) -> None:
    """Start what is asked for, until SIGTERM; then remove the folder too, which a killed pytest does not do."""
    import signal

    def end(*_: Any) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        _serve(folder)
    except SystemExit:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _serve(folder: Path) -> NoReturn:
    """Start each server when it is asked for. An exception stops those that run."""
    waiting = dict(STARTS)
    with contextlib.ExitStack() as stack:
        while True:
            for server in [name for name in waiting if (folder / f"{name}.wanted").exists()]:
                address = waiting.pop(server)(stack, folder)
                new = folder / f"{server}.new"
                new.write_bytes(msgspec.json.encode(address))
                new.replace(folder / f"{server}.json")
            time.sleep(LOOK_SECONDS if waiting else 3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
