"""A console that does not answer after the start: which setting says how long, and where its log is."""

from __future__ import annotations

import pathlib
import threading

import msgspec
import pytest

from agents.settings import Settings
from console.settings import ConsoleSettings
from watchloop.errors import ConsoleRefused
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints
from watchloop.processes.supervisor import Supervisor
from watchloop.processes.up import Running


def test_a_console_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """The message names the setting with its section, its value, and the folder of the logs."""
    settings = msgspec.structs.replace(Settings(), console=ConsoleSettings(start_seconds_max=0.01))
    nowhere = Endpoints(kafka="", clickhouse=ClickHouseEndpoint("", {}), console="http://127.0.0.1:1")
    running = Running(settings, DataFolder(tmp_path), nowhere, Supervisor(print), "")
    with pytest.raises(ConsoleRefused, match=r"console\.start_seconds_max = 0\.01 s; see .*log"):
        running.wait_for_console(threading.Event())
