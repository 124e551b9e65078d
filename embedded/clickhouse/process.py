"""The embedded ClickHouse as its parent sees it: started, waited for until it answers, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Protocol

import msgspec

from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.errors import ClickHouseDidNotStart, one_line
from embedded.ports import hold_port

__all__ = ["HELD", "HOST", "PASSWORDS_VARIABLE", "EmbeddedClickHouse", "Spawn", "popen"]

PASSWORDS_VARIABLE: Final = "WATCHLOOP_CLICKHOUSE_PASSWORDS"
HOST: Final = "127.0.0.1"
HELD: Final = "--port-held"
"""Option of the server's command line: the process that starts the server holds its port."""
PING_EVERY_SECONDS: Final = 0.05
ANSWER_SECONDS_MAX: Final = 1.0
LOG_BYTES_MAX: Final = 4 * 1024 * 1024
LAST_BYTES_READ: Final = 4096
PORT_MAX: Final = 65_535
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
WALLS: Final = "walls: "
LACKING: Final = "NO wall"


class Spawn(Protocol):
    """Starts a child process; the program passes one whose children end with it (``embedded.leash``)."""

    def __call__(
        self, cmd: list[str], *, stdout: IO[bytes] | None, stderr: IO[bytes] | None, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start ``cmd``."""


def popen(
    cmd: list[str], *, stdout: IO[bytes] | None, stderr: IO[bytes] | None, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A plain child process in a session of its own."""
    return subprocess.Popen(  # noqa: S603 - the command is this program's own
        cmd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=dict(env), start_new_session=True
    )


class EmbeddedClickHouse:
    """A ClickHouse server as a child process, in ``folder``.

    It listens on the port of the last start if that is free, else on any free one. ``passwords`` has those of the users
    ``watchloop`` and ``analyst``. The server's log is ``folder/server.log``, which begins anew beyond 4 MiB.
    ``on_wait`` is called again and again while ``start`` waits for an answer; an exception that it raises ends the
    wait.
    """

    def __init__(
        self,
        folder: Path,
        settings: EmbeddedClickHouseSettings,
        *,
        passwords: Mapping[str, str],
        database: str = "watchloop",
        spawn: Spawn = popen,
        on_progress: Callable[[str], None] = lambda _line: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.passwords = dict(passwords)
        self.port = 0
        self.database = database
        self.process: subprocess.Popen[bytes] | None = None
        self._held: socket.socket | None = None
        self._spawn = spawn
        self._on_progress = on_progress
        self._on_wait = on_wait

    @property
    def url(self) -> str:
        """The address of its HTTP interface."""
        return f"http://{HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """The file to which the server writes its errors."""
        return self.folder / "server.log"

    def start(self) -> str:
        """Start the server and wait until it answers; returns its URL. Raises ClickHouseDidNotStart."""
        self.launch()
        self._wait_for_answer()
        walls = next((line for line in self._last_lines()[::-1] if line.startswith(WALLS)), "")
        if LACKING in walls:
            self._on_progress(f"ClickHouse: {walls}")
        self._on_progress(f"ClickHouse answers on {self.url}")
        return self.url

    def launch(self) -> None:
        """Start the server, for the first time or again; do not wait for an answer. Raises ClickHouseDidNotStart."""
        try:
            self.folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            if self._held is None:
                self._held = self._hold_port()
            log = self._open_log()
        except OSError as error:
            reason = f"cannot write to {self.folder}: {error.strerror}; choose a folder you may write to"
            raise ClickHouseDidNotStart(f"embedded ClickHouse: {reason}") from error
        self._on_progress(f"starting ClickHouse on port {self.port}")
        # Functions that are given no time zone take the server's, which must not depend on who started it.
        environment = {**os.environ, "TZ": "UTC", PASSWORDS_VARIABLE: json.dumps(self.passwords)}
        with log:
            self.process = self._spawn(self._command(), stdout=log, stderr=log, env=environment)

    def ended(self) -> int | None:
        """The exit code of a server that ended without being stopped; None while it runs."""
        return None if self.process is None else self.process.poll()

    def last_words(self) -> str:
        """The reason for its end that the server wrote last, or where to look for one."""
        lines = self._last_lines()
        if lines and lines[-1].startswith("embedded ClickHouse:"):
            return one_line(lines[-1])
        return f"embedded ClickHouse: ended without a reason; see {self.log_path}"

    def _last_lines(self) -> list[str]:
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - LAST_BYTES_READ))
            return [line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]

    def stop(self) -> None:
        """Close the database and end the server; a second call does nothing. ``let_port_go`` gives up its port."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(self.settings.stop_seconds_max)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> EmbeddedClickHouse:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self.let_port_go()

    def _command(self) -> list[str]:
        settings = msgspec.json.encode(self.settings).decode()
        return [
            sys.executable, "-P", "-m", "embedded.clickhouse.server", "--folder", str(self.folder),
            "--port", str(self.port), HELD, "--database", self.database, "--settings", settings,
        ]  # fmt: skip

    def _hold_port(self) -> socket.socket:
        """Hold the port of the last start, or any free one, for this start and later ones."""
        remembered = self.folder / "port"
        held = None
        if self.port == 0 and (last := _read_port(remembered)):
            with contextlib.suppress(OSError):
                held = hold_port(HOST, last)
        if held is None:
            try:
                held = hold_port(HOST, self.port)
            except OSError as error:
                reason = f"port {self.port} on {HOST} is in use; choose another ({error.strerror})"
                raise ClickHouseDidNotStart(f"embedded ClickHouse: {reason}") from error
        self.port = int(held.getsockname()[1])
        # The file is replaced whole or not at all: on a full disk the old one stays.
        written = remembered.with_name("port.new")
        written.unlink(missing_ok=True)
        with open(written, "w", opener=_private) as file:
            file.write(str(self.port))
        written.replace(remembered)
        return held

    def let_port_go(self) -> None:
        """Let others listen on the port; call it once nobody sends a password there any more."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _open_log(self) -> IO[bytes]:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
            self.log_path.unlink()
        return open(self.log_path, "ab", opener=_private)

    def _wait_for_answer(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + self.settings.start_seconds_max
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.process = None
                self.let_port_go()
                raise ClickHouseDidNotStart(self.last_words())
            if _answers(self.port):
                return
            self._on_wait()
            time.sleep(PING_EVERY_SECONDS)
        self.stop()
        self.let_port_go()
        limit = f"embedded_clickhouse.start_seconds_max = {self.settings.start_seconds_max} s"
        reason = f"did not answer within {limit}; see {self.log_path}"
        raise ClickHouseDidNotStart(f"embedded ClickHouse: {reason}")


def _read_port(path: Path) -> int:
    """The port in a file; 0 where there is no file, or no port in it."""
    try:
        # Without blocking, in case the name is that of a FIFO, which nobody writes to.
        with open(path, "rb", opener=lambda name, flags: _private(name, flags | os.O_NONBLOCK)) as file:
            text = file.read(LAST_BYTES_READ).strip()
    except FileNotFoundError:
        return 0
    port = int(text) if re.fullmatch(rb"[0-9]{1,5}", text) else 0
    return port if port <= PORT_MAX else 0


def _private(path: str, flags: int) -> int:
    """Open a file that its owner alone may read; an ``opener`` of ``open``, which follows no link."""
    return os.open(path, flags | os.O_NOFOLLOW, FILE_MODE)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
