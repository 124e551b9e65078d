"""The server of the embedded ClickHouse: chDB behind ClickHouse's HTTP interface, in a process of its own.

``python -m embedded.clickhouse.server --folder DATA/clickhouse --port 8123 --passwords-file FILE`` runs it on loopback,
confined to its folder. ``embedded.clickhouse.process`` starts and stops it from the parent.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

import msgspec

from embedded.clickhouse.confinement import confine
from embedded.clickhouse.credentials import Credentials, environment_kept, read_passwords
from embedded.clickhouse.engine import ChdbEngine, emptied
from embedded.clickhouse.http.app import ANALYST, WRITER, HttpApp
from embedded.clickhouse.http.connections import serve
from embedded.clickhouse.process import HELD, HOST, PASSWORDS_VARIABLE
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.errors import one_line
from embedded.ports import BACKLOG, listen_on_held_port

__all__ = ["main"]

CLEARED: Final = "--environment-cleared"
PASSWORDS_BYTES_MAX: Final = 32 * 1024
"""Bytes of the passwords; so many fit into a pipe before anybody reads it."""
GLOBBING: Final = frozenset("?*{}")
"""Characters that the engine does not take literally in the name of a file."""
_OWNED: Final[list[IO[str]]] = []
"""Locks that are held until the process ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The server's command line; 0 after a clean stop, 2 with one line on standard error where it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m embedded.clickhouse.server", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the database lies; one process owns it")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument(HELD, action="store_true", dest="held", help="the process that starts this one holds the port")
    parser.add_argument("--database", default="watchloop", help="the users' default database (created)")
    parser.add_argument("--passwords-file", type=Path, help=f"JSON, user to password; else ${PASSWORDS_VARIABLE}")
    parser.add_argument("--settings", default="{}", help="EmbeddedClickHouseSettings as JSON")
    parser.add_argument(CLEARED, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        settings = msgspec.json.decode(options.settings, type=EmbeddedClickHouseSettings)
        if not options.environment_cleared:
            _clear_environment(options.passwords_file, options.folder)
        credentials = _read_credentials(options.passwords_file)
        listening = _listen(options.port, held=options.held)
        engine = _open(options.folder, settings, options.database)
    except (CannotStartError, msgspec.DecodeError) as error:
        sys.stderr.write(f"embedded ClickHouse: {one_line(str(error))}\n")
        return 2
    serve(HttpApp(engine, settings, credentials=credentials, database=options.database), listening, settings)
    return 0


def _clear_environment(passwords_file: Path | None, folder: Path) -> None:
    """Start this program anew in the same process, with passwords in a pipe and an environment without secrets.

    The environment that a process was started with stays in its memory and in /proc/self/environ, whatever the process
    deletes later. Nor may it add a variable later: the C library would move the environment, behind which the engine
    looks for the kernel's auxiliary vector once the walls hide /proc/self/auxv, and the engine would crash.
    """
    passwords = os.environ.get(PASSWORDS_VARIABLE, "")
    if passwords_file is None:
        reading, writing = os.pipe()
        os.write(writing, passwords.encode()[:PASSWORDS_BYTES_MAX])
        os.close(writing)
        os.dup2(reading, 0)
        os.close(reading)
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:], CLEARED]
    environment = {
        **environment_kept(os.environ),
        "TMPDIR": str(_temporary(folder)),  # the engine's too
        "PYTHONCOERCECLOCALE": "0",  # else Python adds LC_CTYPE in the C locale
    }
    os.execve(sys.executable, command, environment)  # noqa: S606 - starting itself anew is the purpose


def _temporary(folder: Path) -> Path:
    """The folder for temporary files of this program and of the engine."""
    return folder.resolve() / "tmp"


class CannotStartError(Exception):
    """The server cannot start; the text says why in one line."""


def _read_credentials(path: Path | None) -> Credentials:
    """Digests of the passwords, from the file or from the pipe on standard input, which is closed afterwards."""
    where = str(path) if path is not None else f"${PASSWORDS_VARIABLE}"
    try:
        if path is not None:
            text = path.read_text()
        else:
            text = os.read(0, PASSWORDS_BYTES_MAX).decode()
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
        return Credentials(read_passwords(text, (WRITER, ANALYST)))
    except (OSError, ValueError) as error:
        raise CannotStartError(f"no passwords in {where}: {error}") from error


def _listen(port: int, *, held: bool) -> socket.socket:
    try:
        return listen_on_held_port(HOST, port) if held else socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        raise CannotStartError(f"port {port} on {HOST} is in use; choose another ({error.strerror})") from error


def _open(folder: Path, settings: EmbeddedClickHouseSettings, database: str) -> ChdbEngine:
    if not GLOBBING.isdisjoint(str(folder)):
        raise CannotStartError(
            f"the folder {folder} has one of {' '.join(sorted(GLOBBING))} in its name; choose another"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _own(folder)
        _confine(folder.resolve())
        # Not in the first thread: there the C library reads the bounds of its stack from /proc/self/maps.
        with ThreadPoolExecutor(1) as opener:
            return opener.submit(ChdbEngine, folder.resolve(), settings, database=database).result()
    except CannotStartError:
        raise
    except ImportError as error:
        raise CannotStartError(f"chdb is not installed; pip install 'watchloop[local]' ({error})") from error
    except OSError as error:
        raise CannotStartError(
            f"cannot write to {folder}: {error.strerror}; choose a folder you may write to"
        ) from error
    except Exception as error:
        raise CannotStartError(f"cannot open the database in {folder}: {error}") from error


def _confine(folder: Path) -> None:
    """Put up the walls around this process, before the engine starts its threads."""
    tempfile.tempdir = str(emptied(_temporary(folder)))
    try:
        walls = confine(folder)
    except ValueError as error:
        raise CannotStartError(str(error)) from error
    sys.stderr.write(walls.line(folder) + "\n")


def _own(folder: Path) -> None:
    """Lock the folder until this process ends; the engine's own lock does not say why it fails."""
    lock = (folder / "owner.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStartError(f"another process owns {folder}; stop it, or choose another folder") from None
    _OWNED.append(lock)


if __name__ == "__main__":
    sys.exit(main())
