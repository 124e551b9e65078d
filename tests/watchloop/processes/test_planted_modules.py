"""Files of the working directory that are called like the program's own are not what its processes import."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.paths import ROOT
from tests.support.program import environment
from tests.support.waiting import eventually
from watchloop.processes.workers import Worker, WorkerSpec

ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")
NAMES = (*ROOMS, "build_backend", "msgspec")


@pytest.fixture(autouse=True)
def planted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A working directory with a file of each name; whoever imports one leaves a trace."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(
            "import pathlib, sys\npathlib.Path(__file__).with_suffix('.trace').touch()\nsys.exit('planted')\n"
        )
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.glob("*.trace")) == []


def test_rooms() -> None:
    """Every room is among the names, those of the embedded servers and of the console too."""
    assert {"agents", "console", "drift", "embedded", "schemas", "watchloop"} <= set(ROOMS)


def test_a_worker(tmp_path: pathlib.Path) -> None:
    """It says what is wrong with its role."""
    worker = Worker(WorkerSpec("nobody", ("nobody",)), environment(), tmp_path / "worker.log")
    worker.start()
    code = eventually("the end of a worker", worker.ended, worker.log.read_text)
    assert code == 2
    assert "'nobody'" in worker.log.read_text()


@pytest.mark.servers
def test_clickhouse(tmp_path: pathlib.Path) -> None:
    """It starts, and answers."""
    passwords = {"watchloop": "w", "analyst": "a"}
    with EmbeddedClickHouse(tmp_path / "clickhouse", EmbeddedClickHouseSettings(), passwords=passwords) as server:
        assert server.url.startswith("http://127.0.0.1:")
