"""The engine of the embedded ClickHouse: chDB, the same engine as a library, with a pool of handles for each user."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn
from xml.sax.saxutils import escape

from embedded.clickhouse.analyst.readonly_guard import not_reading
from embedded.clickhouse.analyst.rules import AnalystRules
from embedded.clickhouse.http.app import ANALYST, WRITER, Answer
from embedded.clickhouse.http.protocol import Query, RefusedRequest
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.clickhouse.sql_text import StatementKind, first_word

__all__ = ["OVERRUN_EXIT_CODE", "ChdbEngine", "Overruns", "analyst_base", "emptied"]

DISK_CHECK_SECONDS: Final = 10.0
PART_BYTES_MIN: Final = 32 * 1024
"""Counted for each small insert between two looks at the disk: even the smallest part is many files."""
OVERRUN_EXIT_CODE: Final = 3
"""The process ends with it when a statement cannot be stopped."""
PARSER_BACKTRACKS_MAX: Final = 50_000
"""Steps that the parser takes back for one statement of ``analyst``; long honest ones take back some hundreds."""
MERGE_TREE: Final = {"old_parts_lifetime": 60, "cleanup_delay_period": 10, "max_cleanup_delay_period": 20}
"""Parts that were merged, or whose rows were deleted, are removed after about a minute instead of eight or more. By
then the merged part has reached the disk; and rows are often deleted to make room.
"""


class ChdbEngine:
    """One chDB database with a pool of handles for each user; a handle runs one statement at a time.

    A handle keeps every setting that was SET on it. So an analyst's handle is made read-only once, for good; a writer's
    goes back to its base settings after each statement, and is thrown away if that fails.
    """

    def __init__(self, folder: Path, settings: EmbeddedClickHouseSettings, *, database: str) -> None:
        import chdb

        connect: Any = chdb.connect
        self._connect: Callable[[str], Any] = connect
        self._address = f"{folder}?config-file={write_config(folder, settings)}"
        self._folder = folder
        self._inserts = emptied(folder / "inserts")
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
        usable_handle = None
        try:
            answer = self._run_analyst(handle, query) if user == ANALYST else self._run_writer(handle, query)
            usable_handle = handle
        except RefusedRequest:
            usable_handle = handle
            raise
        finally:
            # After some errors (396 is one) a handle gives an empty answer to the next statement, so it is not used
            # again. None in the pool stands for a handle that is still to be opened.
            if usable_handle is None:
                handle.close()
            self._handles[user].put(usable_handle)
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
            # Not chdb's send_insert: an error behind the parser (a constraint, a full disk) it reports as stored.
            done = handle.query(f"{insert.head} FROM INFILE {_literal(path)} COMPRESSION 'none' FORMAT {insert.format}")
        return Answer(
            b"", rows_written=done.rows_written(), bytes_written=done.bytes_written(), elapsed_seconds=done.elapsed()
        )

    @contextlib.contextmanager
    def _inserted_file(self, data: bytes) -> Iterator[str]:
        """The path of a temporary file that holds the data of an INSERT."""
        with tempfile.NamedTemporaryFile(dir=self._inserts, prefix="insert-") as file:
            try:
                file.write(data)
                file.flush()
            except OSError as error:
                reason = f"{self._inserts} does not take an insert's data: {error.strerror}."
                raise RefusedRequest(243, "NOT_ENOUGH_SPACE", reason) from error
            yield file.name

    def _restore(self, handle: Any, query: Query) -> None:
        """Set a writer's handle back to its base settings; raises SessionSpoiledError where that fails."""
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
        """Refuse an INSERT once a bound of the disk is reached; ``disk_bytes_max`` may be exceeded by one insert."""
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
    """A handle could not be set back to its base settings."""


class Overruns:
    """Watches statements that run, and calls ``give_up`` with the seconds of one that ran beyond ``seconds_max``.

    The engine looks at its clock between blocks, and one block may take for ever: the statement
    ``arrayMap(x -> has(range(1000000), x), range(1000000))`` is one row, and 10¹² steps that nothing interrupts. A few
    of these use up every processor. No thread of the engine can be ended, so the process is; its parent starts it
    again, and the stored rows are whole.
    """

    def __init__(
        self, seconds_max: float, give_up: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_max = seconds_max
        self._give_up = give_up
        self._clock = clock
        self._began: dict[int, float] = {}
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch the statement that runs inside this context; several threads may be inside at once."""
        number = next(self._numbers)
        self._began[number] = self._clock()
        try:
            yield
        finally:
            del self._began[number]

    def check(self) -> None:
        """Give up if a statement has run for too long."""
        oldest = min(list(self._began.values()), default=None)
        if oldest is not None and self._clock() - oldest > self._seconds_max:
            self._give_up(self._clock() - oldest)

    def watch(self, every_seconds: float = 1.0) -> None:
        """Check again and again, in a thread of its own, as long as the process lives."""

        def watching() -> None:
            while True:
                time.sleep(every_seconds)
                self.check()

        threading.Thread(target=watching, name="clickhouse-overruns", daemon=True).start()


def writer_base(settings: EmbeddedClickHouseSettings) -> dict[str, str]:
    """The engine's settings for a handle of ``watchloop``; a query may change them for itself."""
    return {
        "max_memory_usage_for_user": str(settings.memory_bytes_max),
        "max_execution_time": str(settings.query_seconds_max),
        "max_threads": str(settings.query_threads),
        "max_result_bytes": str(settings.result_bytes_max),
        "result_overflow_mode": "throw",
    }


def analyst_base(settings: EmbeddedClickHouseSettings) -> dict[str, str]:
    """The engine's settings for a handle of ``analyst``; ``readonly`` makes them final."""
    return {
        "max_memory_usage_for_user": str(settings.memory_bytes_max),
        "max_memory_usage": str(settings.analyst_memory_bytes_max),
        "max_execution_time": str(settings.analyst_seconds_max),
        "max_threads": str(settings.query_threads),
        "max_result_rows": str(settings.analyst_result_rows_max),
        "max_result_bytes": str(settings.analyst_result_bytes_max),
        "result_overflow_mode": "throw",
        "max_parser_backtracks": str(PARSER_BACKTRACKS_MAX),
        "output_format_json_quote_denormals": "1",  # else JSON writes inf and nan as null, like NULL
        "readonly": "1",
    }


def write_config(folder: Path, settings: EmbeddedClickHouseSettings) -> Path:
    """Write the engine's configuration: bounds of the whole process, and an empty folder for user files."""
    empty = folder / "user_files"
    empty.mkdir(parents=True, exist_ok=True)
    lines = {
        "max_server_memory_usage": settings.memory_bytes_max,
        "mark_cache_size": settings.caches_bytes_max,
        "index_mark_cache_size": settings.caches_bytes_max,
        "user_files_path": f"{escape(str(empty))}/",
    }
    text = "".join(f"<{name}>{value}</{name}>" for name, value in lines.items())
    merge_tree = "".join(f"<{name}>{value}</{name}>" for name, value in MERGE_TREE.items())
    text += f"<merge_tree>{merge_tree}</merge_tree>"
    path = folder / "engine.xml"
    path.write_text(f"<clickhouse>{text}</clickhouse>\n")
    return path


def emptied(folder: Path) -> Path:
    """The folder, made anew without the files that a killed process left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _end_of_overrun(settings: EmbeddedClickHouseSettings, seconds: float) -> NoReturn:
    """End the process, because nothing stops the statement, and say why in the last line of the log."""
    sys.stderr.write(
        "embedded ClickHouse: ended, because a statement of analyst cannot be stopped: "
        f"it has run for {seconds:.0f} s, analyst_seconds_max is {settings.analyst_seconds_max} "
        f"and analyst_overrun_seconds_max {settings.analyst_overrun_seconds_max}\n"
    )
    sys.stderr.flush()
    os._exit(OVERRUN_EXIT_CODE)


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
