"""ClickHouse as the rest of the program sees it; works the same on a server and on the embedded one."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from schemas.texts.one_line import one_line
from warehouse.errors import (
    LINE_CHARS_MAX,
    UNKNOWN_COLUMN,
    AuthenticationRefused,
    ClickHouseUnreachable,
    NoRoom,
    QueryRefused,
    QuestionTooLarge,
    TablesLacking,
    WarehouseError,
)
from warehouse.settings import ClickHouseSettings
from warehouse.store.inserts import Insert
from warehouse.store.rows import Row, encode_rows
from warehouse.store.tables import Column, install, lacking_of

__all__ = ["Warehouse"]

T = TypeVar("T")
P = ParamSpec("P")

AUTHENTICATION_CODES = frozenset({192, 193, 194, 516})
NO_ROOM_CODES = frozenset({243})
TOO_LARGE_CODES = frozenset({158, 173, 241, 307, 396})
"""Too many rows, no memory to allocate, memory limit, too many bytes, too large an answer."""
LACKING_CODES = frozenset({16, 60, 81})
"""No such column, table, database."""

INSERT_SETTINGS = {
    # One insert is one part with one token; asynchronous inserts would mix them.
    "async_insert": 0,
    # A column that the table lacks is a mistake, not something to drop in silence.
    "input_format_skip_unknown_fields": 0,
}


class Warehouse:
    """A connection to ClickHouse, opened at the first use; threads may share it."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        self._user, self._password = settings.user, settings.password
        self._client: Any = None
        self._lock = threading.Lock()

    def as_analyst(self) -> Warehouse:
        """The same ClickHouse as the user that only reads."""
        analyst = Warehouse(self.settings)
        analyst._user, analyst._password = self.settings.analyst_user, self.settings.analyst_password
        return analyst

    def install(self) -> None:
        """Create the database, its tables and views where they are missing, and bring columns up to date."""
        client = self._connected(database=None)
        try:
            install(
                lambda sql: self._guarded(functools.partial(client.command, sql)),
                self.settings.database,
                self._present(client),
            )
        finally:
            client.close()

    def _present(self, client: Any) -> dict[str, dict[str, Column]]:
        """Table to column to type and comment, of what is there."""
        sql = "SELECT table, name, type, comment FROM system.columns WHERE database = {name:String}"
        call = functools.partial(client.query, sql, parameters={"name": self.settings.database})
        tables: dict[str, dict[str, Column]] = {}
        for table, name, type_, comment in self._guarded(call).result_rows:
            tables.setdefault(table, {})[name] = (type_, comment)
        return tables

    def lacking(self) -> list[str]:
        """The tables, views and columns that ``install`` would make, as TABLE or TABLE.COLUMN."""
        rows = self.query(
            "SELECT table, groupArray(name) AS columns FROM system.columns "
            "WHERE database = {name:String} GROUP BY table",
            {"name": self.settings.database},
        )
        return lacking_of({row["table"]: frozenset(row["columns"]) for row in rows}, self.settings.database)

    def ping(self) -> None:
        """Raise ClickHouseUnreachable or AuthenticationRefused where queries could not be answered."""
        self.query("SELECT 1")

    def insert(self, table: str, rows: Sequence[Row], token: str = "") -> None:
        """Insert rows of one table; a second insert with the same ``token`` is dropped by ClickHouse.

        All rows are stored, or none.
        """
        if rows:
            self._insert(table, None, encode_rows(rows), "JSONEachRow", token)

    def write(self, table: str, insert: Insert) -> None:
        """Store the rows of an insert, or none of them; a second one of the same rows is dropped by ClickHouse."""
        self._insert(table, insert.columns, insert.block(), insert.format, insert.token)

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of an answer, column to value; ``params`` fill ``{name:Type}``."""
        client = self._shared()
        result = self._guarded(functools.partial(client.query, sql, parameters=dict(params or {})))
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    def raw(self, sql: str, fmt: str = "", params: Mapping[str, Any] | None = None) -> bytes:
        """The answer in the format that the statement names, else in ``fmt`` (such as ``CSVWithNames``)."""
        client = self._shared()
        # Not the client's ``fmt``: it is appended to the statement, and errors would quote text that nobody wrote.
        head = {"X-ClickHouse-Format": fmt} if fmt else {}
        text = sql.rstrip().rstrip(";")
        call = functools.partial(client.raw_query, text, parameters=dict(params or {}), transport_settings=head)
        return bytes(self._guarded(call))

    def command(self, sql: str) -> None:
        """Run a statement that has no answer."""
        client = self._shared()
        self._guarded(functools.partial(client.command, sql))

    def highest_identity(self, table: str, topic_id: str, partition: int) -> tuple[int, int] | None:
        """Offset and index of the last row stored of one partition, or None."""
        rows = self._of_ours(
            self.query,
            f"SELECT max((_offset, _index)) AS last, count() AS stored FROM `{table}` "  # noqa: S608 - a table of ours
            "WHERE _topic_id = {topic_id:String} AND _partition = {partition:UInt32}",
            {"topic_id": topic_id, "partition": partition},
        )
        if rows[0]["stored"] == 0:
            return None
        offset, index = rows[0]["last"]
        return int(offset), int(index)

    def stored_indexes(self, table: str, topic_id: str, partition: int, offset: int) -> set[int]:
        """The indexes of the rows stored of one message."""
        rows = self._of_ours(
            self.query,
            f"SELECT DISTINCT _index FROM `{table}` "  # noqa: S608 - a table of ours
            "WHERE _topic_id = {topic_id:String} AND _partition = {partition:UInt32} AND _offset = {offset:UInt64}",
            {"topic_id": topic_id, "partition": partition, "offset": offset},
        )
        return {int(row["_index"]) for row in rows}

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _insert(self, table: str, columns: Sequence[str] | None, block: bytes, fmt: str, token: str) -> None:
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        target = f"`{self.settings.database}`.`{table}`"
        client = self._shared()
        call = functools.partial(client.raw_insert, target, columns, block, settings=settings, fmt=fmt)
        self._of_ours(self._guarded, call)

    def _of_ours(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call about the program's own tables; raises TablesLacking if one, or a column, is missing."""
        try:
            return call(*args, **kwargs)
        except QueryRefused as error:
            if error.code not in LACKING_CODES and UNKNOWN_COLUMN not in error.detail:
                raise
            raise TablesLacking(
                f"ClickHouse at {self.settings.url} lacks a table or a column of watchloop; run watchloop warehouse "
                f"install, and what waits is stored ({error.detail})",
                code=error.code,
                detail=error.detail,
            ) from error

    def _shared(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connected(database=self.settings.database)
            return self._client

    def _connected(self, *, database: str | None) -> Any:
        settings = self.settings
        address = urlsplit(settings.url)
        return self._guarded(
            functools.partial(
                clickhouse_connect.get_client,
                host=address.hostname,
                port=address.port or (8443 if address.scheme == "https" else 8123),
                interface=address.scheme,
                username=self._user,
                password=self._password,
                database=database or "default",
                connect_timeout=settings.connect_seconds_max,
                send_receive_timeout=settings.query_seconds_max,
                autogenerate_session_id=False,
                query_retries=0,
                dedicated_pool=True,
            )
        )

    def _guarded(self, call: Callable[[], T]) -> T:
        """Run a call of the client; its errors become WarehouseErrors."""
        try:
            return call()
        except (OperationalError, DatabaseError) as error:
            raise self._explain(error) from error
        except ClickHouseError as error:
            raise WarehouseError(f"ClickHouse at {self.settings.url}: {one_line(error, LINE_CHARS_MAX)}") from error

    def _explain(self, error: Exception) -> WarehouseError:
        code = int(getattr(error, "code", 0) or 0)
        where = f"ClickHouse at {self.settings.url}"
        detail = one_line(str(error).partition("server response: ")[2] or error, LINE_CHARS_MAX)
        if code in AUTHENTICATION_CODES:
            text = f"{where} refuses user {self._user!r}: check user and password in [clickhouse]"
            return AuthenticationRefused(text, code=code, detail=detail)
        if code == 0 and isinstance(error, OperationalError):
            return ClickHouseUnreachable(
                f"{where} does not answer: is it running, and is the address right? ({_cause_of(str(error))})"
            )
        if code in NO_ROOM_CODES:
            text = f"{where} has no room for more rows: delete old ones, or give it more disk ({detail})"
            return NoRoom(text, code=code, detail=detail)
        refusal = QuestionTooLarge if code in TOO_LARGE_CODES else QueryRefused
        return refusal(f"{where}: {detail}", code=code, detail=detail)


def _cause_of(text: str) -> str:
    """The cause of an error of the HTTP client, without the URL in front of it, which holds settings and the token."""
    cause = text.partition("(Caused by ")[2].partition(") executing HTTP request")[0]
    return one_line(cause or text, LINE_CHARS_MAX)
