"""The embedded ClickHouse: chDB, the same engine as a library, behind ClickHouse's HTTP interface.

``python -m embedded.clickhouse.server --folder DATA/clickhouse --port 8123 --passwords-file FILE`` is the server, a
process of its own on loopback, confined to its folder. ``EmbeddedClickHouse`` starts and stops it from the parent.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import os
import queue
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import msgspec

from embedded.clickhouse.analyst.readonly_guard import not_reading
from embedded.clickhouse.analyst.rules import AnalystRules
from embedded.clickhouse.confinement import confine
from embedded.clickhouse.credentials import Credentials, environment_kept, read_passwords
from embedded.clickhouse.engine_settings import analyst_base, write_config, writer_base
from embedded.clickhouse.http.app import ANALYST, WRITER, Answer, HttpApp
from embedded.clickhouse.http.protocol import Query, RefusedRequest
from embedded.clickhouse.http.server import serve
from embedded.clickhouse.http.sql_text import StatementKind, first_word
from embedded.clickhouse.overruns import Overruns
from embedded.clickhouse.process import HELD, HOST, PASSWORDS_VARIABLE, EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.errors import one_line
from embedded.ports import BACKLOG, listen_on_held_port

__all__ = ["ChdbEngine", "EmbeddedClickHouse", "main"]

CLEARED: Final = "--environment-cleared"
PASSWORDS_BYTES_MAX: Final = 32 * 1024
"""Bytes of the passwords; they fit into a pipe before anybody reads."""
DISK_CHECK_SECONDS: Final = 10.0
PART_BYTES_MIN: Final = 32 * 1024
"""What the smallest insert is taken for until the disk is looked at again: a part is many files."""
OVERRUN: Final = 3
"""Exit code where a statement could not be stopped."""
_OWNED: Final[list[IO[str]]] = []
GLOBBING: Final = frozenset("?*{}")
"""What the engine does not take for itself in the name of a file."""


class ChdbEngine:
    """One chDB database with a pool of handles for each user; a handle runs one statement at a time.

    A handle keeps what is SET on it, so an analyst's handle is made read-only once, for good; a writer's goes back to
    its base settings after each statement, and is thrown away where that fails.
    """

    def __init__(self, folder: Path, settings: EmbeddedClickHouseSettings, *, database: str) -> None:
        import chdb

        connect: Any = chdb.connect
        self._connect: Callable[[str], Any] = connect
        self._address = f"{folder}?config-file={write_config(folder, settings)}"
        self._folder = folder
        self._inserts = _emptied(folder / "inserts")
        self._settings = settings
        self._base = {WRITER: writer_base(settings), ANALYST: analyst_base(settings)}
        self._root = self._connect(self._address)
        self._root.query(f"CREATE DATABASE IF NOT EXISTS {_quoted(database)}")
        self.version, self.timezone = self._text("SELECT version(), timezone()").split("\t")
        self._rules = AnalystRules(
            _asking(self._root),
            database=database,
            tokens_max=settings.query_tokens_max,
            tree_bytes_max=settings.analyst_tree_bytes_max,
            time_zones_max=settings.analyst_time_zones_max,
        )
        self._overruns = Overruns(
            settings.analyst_seconds_max + settings.analyst_overrun_seconds_max,
            functools.partial(_end_of_overrun, settings),
        )
        self._overruns.watch()
        self._disk_lock = threading.Lock()
        self._disk_checked_at = float("-inf")
        self._stored_bytes = self._inserted_bytes = 0
        self._handles: dict[str, queue.SimpleQueue[Any]] = {WRITER: queue.SimpleQueue(), ANALYST: queue.SimpleQueue()}
        for user, count in ((WRITER, settings.writer_handles), (ANALYST, settings.analyst_handles)):
            for _ in range(count):
                self._handles[user].put(self._new_handle(user))

    def run(self, user: str, query: Query) -> Answer:
        """Run one statement as a user; raises RefusedRequest or the engine's own error."""
        handle = self._handles[user].get() or self._new_handle(user)
        keep = None
        try:
            answer = self._run_analyst(handle, query) if user == ANALYST else self._run_writer(handle, query)
            keep = handle
        except RefusedRequest:
            keep = handle
            raise
        finally:
            # After some errors (396 among them) a handle answers the next statement with nothing at all: it is not used
            # again, and None in the pool stands for one that is yet to be opened.
            if keep is None:
                handle.close()
            self._handles[user].put(keep)
        return answer

    def close(self) -> None:
        """Close every handle; the last one closes the database."""
        for handles in self._handles.values():
            while not handles.empty():
                handle = handles.get()
                if handle is not None:
                    handle.close()
        self._root.close()

    def _run_analyst(self, handle: Any, query: Query) -> Answer:
        if query.statement.kind is not StatementKind.READ:
            raise not_reading(first_word(query.sql.encode()))
        with self._overruns.running():
            return self._run_checked(handle, query)

    def _run_checked(self, handle: Any, query: Query) -> Answer:
        checked = self._rules.check(query, _asking(handle))
        for name, value in query.settings.items():
            handle.query(f"SET {name} = {_literal(value)}")
        handle.query(f"USE {_quoted(query.database)}")
        answer = handle.query(checked.sql, checked.format, params=query.parameters)
        return replace(_answer_of(answer), format=checked.format)

    def _run_writer(self, handle: Any, query: Query) -> Answer:
        kind = query.statement.kind
        if kind is StatementKind.INSERT:
            self._check_disk(len(query.statement.insert.data) if query.statement.insert else 0)
        if kind is StatementKind.CHANGE:
            self._rules.forget()
        handle.query(f"USE {_quoted(query.database)}")
        try:
            if query.settings:
                handle.query(
                    "SET " + ", ".join(f"{name} = {_literal(value)}" for name, value in query.settings.items())
                )
            return self._execute(handle, query)
        finally:
            if kind is StatementKind.CHANGE:
                self._rules.forget()
            self._restore(handle, query)

    def _execute(self, handle: Any, query: Query) -> Answer:
        insert = query.statement.insert
        if insert is None:
            return _answer_of(handle.query(query.sql, query.format, params=query.parameters))
        with self._inserted_file(insert.data) as path:
            # Not chdb's send_insert: what fails behind the parser (a constraint, a full disk) it reports as stored.
            done = handle.query(f"{insert.head} FROM INFILE {_literal(path)} COMPRESSION 'none' FORMAT {insert.format}")
        return Answer(
            b"", rows_written=done.rows_written(), bytes_written=done.bytes_written(), elapsed_seconds=done.elapsed()
        )

    @contextlib.contextmanager
    def _inserted_file(self, data: bytes) -> Iterator[str]:
        """The data of an INSERT as a file; gone afterwards."""
        with tempfile.NamedTemporaryFile(dir=self._inserts, prefix="insert-") as file:
            try:
                file.write(data)
                file.flush()
            except OSError as error:
                reason = f"{self._inserts} does not take an insert's data: {error.strerror}."
                raise RefusedRequest(243, "NOT_ENOUGH_SPACE", reason) from error
            yield file.name

    def _restore(self, handle: Any, query: Query) -> None:
        """Put the handle back to its base settings."""
        changed = query.settings
        if query.statement.kind is StatementKind.SESSION:
            raise SessionSpoiledError(
                "Code: 48. DB::Exception: Sessions are not available: give settings and the database with the query, "
                "and use tables that are not temporary. (NOT_IMPLEMENTED)"
            )
        if not changed:
            return
        base = self._base[WRITER]
        again = [f"{name} = {_literal(base[name])}" if name in base else f"{name} = DEFAULT" for name in changed]
        try:
            handle.query("SET " + ", ".join(again))
        except Exception as error:
            raise SessionSpoiledError(str(error)) from error

    def _check_disk(self, insert_bytes: int) -> None:
        """Refuse an INSERT where the disk's bounds are reached; ``disk_bytes_max`` by one insert too late."""
        free = shutil.disk_usage(self._folder).free
        if free < self._settings.disk_free_bytes_min:
            reason = f"{free} bytes free on the disk of {self._folder}, disk_free_bytes_min is "
            raise RefusedRequest(243, "NOT_ENOUGH_SPACE", reason + f"{self._settings.disk_free_bytes_min}.")
        with self._disk_lock:
            late = time.monotonic() - self._disk_checked_at > DISK_CHECK_SECONDS
            if late or self._stored_bytes + self._inserted_bytes > self._settings.disk_bytes_max:
                self._stored_bytes = int(self._text("SELECT sum(bytes_on_disk) FROM system.parts"))
                self._inserted_bytes = 0
                self._disk_checked_at = time.monotonic()
            if self._stored_bytes > self._settings.disk_bytes_max:
                reason = f"{self._stored_bytes} bytes stored in {self._folder}, disk_bytes_max is "
                raise RefusedRequest(243, "NOT_ENOUGH_SPACE", reason + f"{self._settings.disk_bytes_max}.")
            self._inserted_bytes += max(insert_bytes, PART_BYTES_MIN)

    def _new_handle(self, user: str) -> Any:
        handle = self._connect(self._address)
        base = self._base[user]
        handle.query("SET " + ", ".join(f"{name} = {_literal(value)}" for name, value in base.items()))
        return handle

    def _text(self, sql: str) -> str:
        return _bytes(self._root.query(sql, "TabSeparatedRaw")).decode().strip("\n")


class SessionSpoiledError(Exception):
    """A handle that did not go back to its base settings."""


def _end_of_overrun(settings: EmbeddedClickHouseSettings, seconds: float) -> NoReturn:
    """End the process, which nobody can stop a statement of, and say why in the last line of its log."""
    sys.stderr.write(
        "embedded ClickHouse: ended, because a statement of analyst cannot be stopped: "
        f"it has run for {seconds:.0f} s, analyst_seconds_max is {settings.analyst_seconds_max} "
        f"and analyst_overrun_seconds_max {settings.analyst_overrun_seconds_max}\n"
    )
    sys.stderr.flush()
    os._exit(OVERRUN)


def _emptied(folder: Path) -> Path:
    """The folder, without what a killed process left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _bytes(result: Any) -> bytes:
    return bytes(result.bytes())


def _asking(handle: Any) -> Callable[[str, Mapping[str, str]], bytes]:
    def ask(sql: str, parameters: Mapping[str, str]) -> bytes:
        return _bytes(handle.query(sql, "TabSeparatedRaw", params=dict(parameters)))

    return ask


def _answer_of(result: Any) -> Answer:
    return Answer(
        _bytes(result),
        rows_read=result.storage_rows_read(),
        bytes_read=result.storage_bytes_read(),
        elapsed_seconds=result.elapsed(),
    )


def _quoted(identifier: str) -> str:
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


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
            _clear_environment(options.passwords_file)
        credentials = _read_credentials(options.passwords_file)
        listening = _listen(options.port, held=options.held)
        engine = _open(options.folder, settings, options.database)
    except (CannotStartError, msgspec.DecodeError) as error:
        sys.stderr.write(f"embedded ClickHouse: {one_line(str(error))}\n")
        return 2
    serve(HttpApp(engine, settings, credentials=credentials, database=options.database), listening, settings)
    return 0


def _clear_environment(passwords_file: Path | None) -> None:
    """Become this program again with passwords in a pipe and an environment without secrets.

    What a process was started with stays in its memory, and in /proc/self/environ, whatever it deletes later.
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
    os.execve(sys.executable, command, environment_kept(os.environ))  # noqa: S606 - becoming itself is the purpose


class CannotStartError(Exception):
    """Why the server does not start, as one line."""


def _read_credentials(path: Path | None) -> Credentials:
    """Digests of the passwords, from the file or from the pipe that is standard input; the pipe is gone afterwards."""
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
        # Not in the first thread: there the C library looks for the bounds of its stack in /proc/self/maps.
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
    """Put up the walls around this process before the engine and its threads are there."""
    temporary = _emptied(folder / "tmp")
    # The engine asks the environment for the folder of what it does not keep.
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    try:
        walls = confine(folder)
    except ValueError as error:
        raise CannotStartError(str(error)) from error
    sys.stderr.write(walls.line(folder) + "\n")


def _own(folder: Path) -> None:
    """Take the folder for this process, until it ends; the engine's own lock does not say why it fails."""
    lock = (folder / "owner.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStartError(f"another process owns {folder}; stop it, or choose another folder") from None
    _OWNED.append(lock)


if __name__ == "__main__":
    sys.exit(main())
