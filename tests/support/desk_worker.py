"""A worker as operators start it, on a test's Kafka: a process of its own, which can be killed."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import msgspec

from streams.settings import KafkaSettings
from tests.support.program import ROOT, environment
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.settings import ClickHouseSettings

SECRET = "a secret of the tests, forty characters long"


class Worker:
    """``watchloop worker`` with some roles; with ``desk`` its console is at ``url``."""

    def __init__(
        self,
        folder: pathlib.Path,
        kafka: KafkaSettings,
        *roles: str,
        clickhouse: ClickHouseSettings | None = None,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.roles = roles
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = environment(
            PYTHONPATH=str(ROOT),
            WATCHLOOP_WORKER_DATA=str(folder / "data"),
            WATCHLOOP_CONSOLE_PORT=str(self.port),
            WATCHLOOP_CONSOLE_SECRET=SECRET,
            **changed("KAFKA", kafka),
            **(changed("CLICKHOUSE", clickhouse) if clickhouse is not None else {}),
            **settings,
        )

    def start(self) -> Worker:
        """Start it; if it has a console, wait until that answers."""
        with (self.folder / "worker.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watchloop", "worker", *(f"--role={role}" for role in self.roles)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environment,
                cwd=self.folder,
            )
        if "desk" in self.roles:
            eventually("the console", self.answers, self.log)
        return self

    def answers(self) -> bool:
        """Whether the console answers; fails if the worker has ended."""
        assert self.is_alive(), self.log()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        """Its log."""
        return (self.folder / "worker.log").read_text(errors="replace")

    @property
    def settings(self) -> dict[str, str]:
        """Its settings as variables of the environment, for a command with the same settings."""
        return {name: value for name, value in self._environment.items() if name.startswith("WATCHLOOP_")}

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Stop it, also if it is frozen or has ended."""
        if self.is_alive():
            assert self.process is not None
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


def changed(section: str, settings: Any) -> dict[str, str]:
    """The settings that differ from the defaults, as variables of the environment."""
    variables = {}
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            variables[f"WATCHLOOP_{section}_{field.name.upper()}"] = str(value)
    return variables
