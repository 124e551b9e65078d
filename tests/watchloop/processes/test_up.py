"""Starts of ``watchloop up`` that fail in one line: no front-end libraries, a console that does not answer."""

from __future__ import annotations

import pathlib
import threading

import msgspec
import pytest
from rich.console import Console

from agents.settings import Settings
from console.front_end import FrontEndMissing, check_front_end
from console.settings import ConsoleSettings
from watchloop.errors import ConsoleRefused
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints
from watchloop.processes.supervisor import Supervisor
from watchloop.processes.up import Running, UpOptions, up


def test_a_console_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    """The message names the setting with its section, its value, and the folder of the logs."""
    settings = msgspec.structs.replace(Settings(), console=ConsoleSettings(start_seconds_max=0.01))
    nowhere = Endpoints(kafka="", clickhouse=ClickHouseEndpoint("", {}), console="http://127.0.0.1:1")
    running = Running(settings, DataFolder(tmp_path), nowhere, Supervisor(print), "")
    with pytest.raises(ConsoleRefused, match=r"console\.start_seconds_max = 0\.01 s; see .*log"):
        running.wait_for_console(threading.Event())


def test_nothing_starts_without_the_front_end_libraries(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to run, before a server starts or a folder is made."""
    monkeypatch.setattr("watchloop.processes.up.check_front_end", lambda: check_front_end(tmp_path))
    data = tmp_path / "data"
    with (
        pytest.raises(FrontEndMissing, match=r"python build_backend\.py"),
        up(Settings(), UpOptions(data), Console(), threading.Event()),
    ):
        pass
    assert not data.exists()
