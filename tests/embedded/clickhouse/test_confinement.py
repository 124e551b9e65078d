"""The walls that do not rest on reading statements: with the guard switched off the process still reaches nothing."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded.clickhouse import confinement, server
from embedded.clickhouse.confinement import Walls, readable_paths
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.open_server import spawn_without
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers

PASSWORDS = {"watchloop": "writers-secret-sesame", "analyst": "analysts-secret-sesame"}
SECRET = "open-sesame"


class Listener:
    """A socket on loopback that counts who connects, and answers nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


class Surroundings:
    """A data folder as ``up`` makes it, with secrets beside the database, and one server in it."""

    def __init__(self, data: Path, *without: str) -> None:
        self.data = data
        (data / "keys").mkdir(parents=True)
        for name in ("secrets.json", "endpoints.json", "keys/signing.pem"):
            (data / name).write_text(SECRET)
        self.listener = Listener()
        self.server = EmbeddedClickHouse(
            data / "clickhouse", EmbeddedClickHouseSettings(), passwords=PASSWORDS, spawn=spawn_without(*without)
        )

    def ask(self, sql: str, user: str = "analyst", **named: str) -> httpx.Response:
        auth = (user, PASSWORDS[user])
        return httpx.post(self.server.url, content=sql.encode(), params=named, auth=auth, timeout=PATIENCE_SECONDS)


@contextmanager
def surroundings(data: Path, *without: str) -> Iterator[Surroundings]:
    around = Surroundings(data, *without)
    with around.server:
        yield around
    around.listener.close()


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """No statement is checked; the process is confined."""
    with surroundings(tmp_path_factory.mktemp("unguarded"), "guard") as around:
        yield around


@pytest.fixture(scope="module")
def naked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """Neither wall stands: here the attacks must succeed, or they would show nothing."""
    with surroundings(tmp_path_factory.mktemp("naked"), "guard", "walls") as around:
        yield around


needs_walls = pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or ctypes.CDLL(None).syscall(confinement.CREATE_RULESET, None, ctypes.c_size_t(0), 1) < confinement.ABI_NETWORK,
    reason="the kernel has no Landlock",
)


def read(around: Surroundings, path: Path | str) -> str:
    return around.ask(f"SELECT file('{path}')").text


@needs_walls
def test_files_beside_the_database_are_out_of_reach(
    unguarded: Surroundings, naked: Surroundings, tmp_path: Path
) -> None:
    """Secrets and keys of the data folder, the system's files and strangers' are not read, whatever the statement."""
    (tmp_path / "canary").write_text(SECRET)
    for around in (unguarded, naked):
        outside = [around.data / name for name in ("secrets.json", "endpoints.json", "keys/signing.pem")]
        reached = [SECRET in read(around, path) for path in (*outside, tmp_path / "canary")]
        reached += ["root:" in read(around, "/etc/passwd")]
        assert set(reached) == {around is naked}


@needs_walls
def test_no_process_is_read_through_proc(unguarded: Surroundings, naked: Surroundings) -> None:
    """Neither its own memory and environment nor the parent's are files that the engine can open."""
    for name in (
        "self/environ",
        "self/mem",
        "self/maps",
        "self/cmdline",
        f"{os.getpid()}/environ",
        f"{os.getpid()}/maps",
    ):
        assert "PERMISSION" in read(unguarded, f"/proc/{name}").upper(), name
    assert "PATH=" in read(naked, "/proc/self/environ")


def test_passwords_leave_no_trace(unguarded: Surroundings) -> None:
    """What the process was started with, and what it was told on the way, holds no password; nor does its folder."""
    process = unguarded.server.process
    assert process is not None
    for name in ("environ", "cmdline"):
        assert b"sesame" not in Path(f"/proc/{process.pid}/{name}").read_bytes()
    assert b"LANG" in Path(f"/proc/{process.pid}/environ").read_bytes() or os.environ.get("LANG") is None
    for file in (unguarded.data / "clickhouse").rglob("*"):
        if file.is_file():
            assert b"secret-sesame" not in file.read_bytes(), file
    assert unguarded.ask("SELECT 1").text == "1\n"


@needs_walls
def test_the_network_is_out_of_reach(unguarded: Surroundings, naked: Surroundings) -> None:
    """Nobody who asks the engine for a URL, the writer neither, makes it connect."""
    for around in (unguarded, naked):
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{around.listener.port}/x"
            sql = f"SELECT * FROM url('{url}', 'LineAsString') SETTINGS http_max_tries = 1"
            assert around.ask(sql, user="watchloop").status_code >= 400
    assert unguarded.listener.connections == 0
    assert naked.listener.connections >= 1


@needs_walls
def test_nothing_is_written_outside_and_nothing_is_run(unguarded: Surroundings, naked: Surroundings) -> None:
    """A table on a file beside the database cannot be made by anybody; without the wall it can."""
    for around in (unguarded, naked):
        target = around.data / "planted.py"
        around.ask(f"INSERT INTO FUNCTION file('{target}', 'LineAsString', 'a String') SELECT 'x'", user="watchloop")
        assert target.exists() == (around is naked)


def test_the_log_says_which_walls_stand(unguarded: Surroundings, naked: Surroundings) -> None:
    """One line at the start; where a wall lacks, it says so and what is left, and who started the server is told."""
    lines = [line for line in unguarded.server.log_path.read_text().splitlines() if line.startswith("walls: ")]
    assert len(lines) == 1
    assert "NO wall around files: taken down for a test" in naked.server.log_path.read_text()
    told: list[str] = []
    EmbeddedClickHouse(
        naked.data / "second",
        EmbeddedClickHouseSettings(),
        passwords=PASSWORDS,
        spawn=spawn_without("walls"),
        on_progress=told.append,
    ).__enter__().stop()
    assert any("NO wall around files" in line for line in told)


def test_what_a_kernel_lacks_is_told() -> None:
    """Each version of Landlock has its line; none is taken for more than it is."""
    folder = Path("/data/clickhouse")
    assert Walls(7, sockets=True).whole
    assert "walls: files: only /data/clickhouse" in Walls(7, sockets=True).line(folder)
    assert "no TCP (Landlock)" in Walls(4, sockets=False).line(folder)
    assert "NO wall around the network" in Walls(3, sockets=False).line(folder)
    assert "NO wall around files: why" in Walls(0, sockets=True, reason="why").line(folder)
    assert not Walls(0, sockets=True).whole
    assert not Walls(3, sockets=False).whole


class OldKernel:
    """A C library on a kernel with this version of Landlock; a negative version means a kernel without it."""

    def __init__(self, abi: int) -> None:
        self.abi = abi
        self.sizes: list[int] = []
        self.restricted = False

    def syscall(self, number: int, *arguments: Any) -> int:
        if number == confinement.CREATE_RULESET and arguments[2] == confinement.CREATE_RULESET_VERSION:
            return self.abi
        if number == confinement.CREATE_RULESET:
            self.sizes.append(arguments[1].value)
            return os.open(os.devnull, os.O_RDONLY)
        self.restricted = self.restricted or number == confinement.RESTRICT_SELF
        return 0


@pytest.mark.parametrize(
    ("abi", "stands", "size"),
    [(-1, 0, None), (1, 0, None), (2, 2, 8), (3, 3, 8), (4, 4, 16), (5, 5, 16), (6, 6, 24), (9, 9, 24)],
)
def test_older_kernels_get_what_they_know(abi: int, stands: int, size: int | None, tmp_path: Path) -> None:
    """The rules are cut to the version of the kernel; before version 2 there is no wall, and the answer says why."""
    kernel = OldKernel(abi)
    version, reason = confinement._landlock(kernel, tmp_path, [Path("/usr/lib")])  # type: ignore[arg-type]
    assert version == stands
    assert bool(reason) == (stands == 0)
    assert kernel.sizes == ([] if size is None else [size])
    assert kernel.restricted == (stands > 0)


def test_where_the_program_was_started_is_not_readable() -> None:
    """Of Python's search path only libraries: the working directory may hold the data folder."""
    paths = readable_paths(["", "/work/project", "/opt/x/lib/python3.11/site-packages"], ("/usr",))
    assert Path("/work/project") not in paths
    assert Path.cwd() not in paths
    assert all(path.is_absolute() for path in paths)


def test_a_folder_within_the_libraries_is_refused() -> None:
    """There its neighbours would be readable: one line says so."""
    folder = Path(json.__file__).parent / "data" / "clickhouse"
    code = (
        f"from pathlib import Path; from embedded.clickhouse.confinement import confine; confine(Path({str(folder)!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "choose another folder" in result.stderr


def test_the_server_adds_nothing_to_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts with every variable that it needs: one added later would move the environment, and crash the engine."""
    started_with: dict[str, str] = {}
    monkeypatch.setattr(os, "execve", lambda _path, _command, environment: started_with.update(environment))
    monkeypatch.setattr(server, "confine", lambda _folder: Walls(0, sockets=False))
    monkeypatch.setattr(tempfile, "tempdir", None)
    server._clear_environment(tmp_path / "passwords.json", tmp_path)
    before = dict(os.environ)
    server._confine(tmp_path)
    assert dict(os.environ) == before
    assert started_with["TMPDIR"] == tempfile.gettempdir() == str(tmp_path.resolve() / "tmp")
    assert started_with["PYTHONCOERCECLOCALE"] == "0"
