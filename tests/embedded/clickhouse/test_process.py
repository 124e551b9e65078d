"""The embedded server as a process: its start, stop and death, and the port that it keeps."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from embedded.clickhouse import process as embedded_process
from embedded.clickhouse.process import PASSWORDS_VARIABLE, EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.errors import ClickHouseDidNotStart
from embedded.ports import hold_port
from tests.support.embedded_server import PASSWORDS, TABLE, connect_to, server
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, eventually, is_running

pytestmark = pytest.mark.servers


def test_rows_and_port_survive_a_stop_and_a_kill(folder: Path) -> None:
    """After SIGTERM and after kill -9 the server starts again on the same port with every acknowledged row."""
    running = server(folder)
    first_url = running.start()
    connect_to(running).command(TABLE)
    connect_to(running).raw_insert("t", None, b'{"a":1}', fmt="JSONEachRow")
    process = running.process
    assert process is not None
    running.stop()
    assert process.returncode == 0
    with pytest.raises(OSError, match="in use"):
        hold_port("127.0.0.1", running.port)
    running.let_port_go()
    running = server(folder)
    assert running.start() == first_url
    connect_to(running).raw_insert("t", None, b'{"a":2}', fmt="JSONEachRow")
    process = running.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with server(folder) as again:
        assert connect_to(again).query("SELECT a FROM t ORDER BY a").result_rows == [(1,), (2,)]


def test_its_time_zone_is_utc_whoever_starts_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that read a text without a zone answer the same for everybody."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with server(folder) as running:
        asked = "SELECT timezone(), toUnixTimestamp(toDateTime('1996-12-01 00:00:00'))"
        assert connect_to(running).query(asked).first_row == ("UTC", 849_398_400)


STARTER = """
import json, pathlib, sys, time
from embedded.leash import spawn
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
passwords = {"watchloop": "w", "analyst": "a"}
running = EmbeddedClickHouse(
    pathlib.Path(sys.argv[1]), EmbeddedClickHouseSettings(), passwords=passwords, spawn=spawn
)
running.start()
print(json.dumps([running.url, running.process.pid]), flush=True)
time.sleep(120)
"""


def stop_it(pid: int, _url: str, _folder: Path) -> None:
    """It does not run at all, and hears nothing."""
    os.kill(pid, signal.SIGSTOP)


def delete_its_folder(_pid: int, url: str, folder: Path) -> None:
    """Nothing that it does on its way out can succeed; it has begun to fail before."""
    shutil.rmtree(folder)
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(url, content=b"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", auth=("watchloop", "w"))


def keep_it_busy(_pid: int, url: str, _folder: Path) -> None:
    """It is in a query that nobody can stop."""
    with contextlib.suppress(httpx.TimeoutException):
        long = b"SELECT length(base58Encode(repeat('x', 9000000)))"
        httpx.post(url, content=long, auth=("watchloop", "w"), timeout=1.0)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("trouble", [stop_it, delete_its_folder, keep_it_busy])
def test_no_server_outlives_its_starter(folder: Path, trouble: Callable[[int, str, Path], None]) -> None:
    """Whatever it is doing, it is gone within seconds of a kill -9 of who started it."""
    command = [sys.executable, "-c", STARTER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        url, pid = json.loads(starter.stdout.readline())
        trouble(pid, url, folder)
        starter.kill()
    eventually("its end", lambda: not is_running(pid))


def test_a_second_owner_is_refused(folder: Path) -> None:
    """A folder has one owner; the second start ends with one line that says so, the first goes on."""
    with server(folder) as running:
        with pytest.raises(ClickHouseDidNotStart, match="another process owns") as error:
            server(folder).start()
        assert "\n" not in str(error.value)
        assert connect_to(running).query("SELECT 1").first_row == (1,)


def run_main(*arguments: str, passwords: str = '{"watchloop":"w","analyst":"a"}') -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedded.clickhouse.server", *arguments],
        env={**os.environ, PASSWORDS_VARIABLE: passwords},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_bad_starts_end_with_one_line(folder: Path, tmp_path: Path) -> None:
    """A port in use, no write access, no passwords, wrong settings: exit code 2 and one line each, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        in_use = run_main("--folder", str(folder), "--port", port)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    results = {
        f"port {port} on 127.0.0.1 is in use": in_use,
        "cannot write to": run_main("--folder", str(blocked / "x"), "--port", "0"),
        "no passwords in": run_main("--folder", str(folder), "--port", "0", passwords="{}"),
        "memory_bytes_max": run_main("--folder", str(folder), "--port", "0", "--settings", '{"memory_bytes_max": 1}'),
    }
    for text, result in results.items():
        assert result.returncode == 2
        assert text in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("text", [b"", b"x", b"-1", b"99999999", b"70000", b"\xff", b"1 2", b"8123\n"])
def test_a_port_that_cannot_be_read_is_no_port(text: bytes, tmp_path: Path) -> None:
    """What a full disk or a stranger left in the port's file stops no start; the next start has a whole one."""
    (tmp_path / "port").write_bytes(text)
    assert embedded_process._read_port(tmp_path / "port") == (8123 if text.strip() == b"8123" else 0)
    server = EmbeddedClickHouse(tmp_path, EmbeddedClickHouseSettings(), passwords=PASSWORDS)
    with server._hold_port():
        assert (tmp_path / "port").read_text() == str(server.port)
    assert [entry.name for entry in tmp_path.iterdir()] == ["port"]
