"""ClickHouse's HTTP interface as an ASGI application over any engine."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from warehouse import compression
from warehouse.credentials import Credentials
from warehouse.http_protocol import (
    Query,
    RefusedRequest,
    Request,
    content_type_of,
    read_credentials,
    read_query,
    status_of_code,
)
from warehouse.settings import EmbeddedClickHouseSettings
from warehouse.sql_text import StatementKind

__all__ = ["ANALYST", "WRITER", "Answer", "Engine", "HttpApp"]

WRITER = "watchloop"
ANALYST = "analyst"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)
_CODE = re.compile(r"Code: (\d+)\. ")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine answered: the bytes, their format if not the query's, and what it read and wrote."""

    data: bytes | memoryview
    format: str = ""
    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    elapsed_seconds: float = 0.0


class Engine(Protocol):
    """What runs the statements; its methods block and are called from threads."""

    version: str
    timezone: str

    def run(self, user: str, query: Query) -> Answer:
        """Run one statement; an exception's text is ClickHouse's (``Code: N. DB::Exception: …``)."""

    def close(self) -> None:
        """Close the database; nothing runs any more."""


class Lane:
    """The queries of one user: so many run at once, so many wait, one more is refused."""

    def __init__(self, user: str, handles: int, waiting_max: int) -> None:
        self.user = user
        self.queries_max = handles + waiting_max
        self.queries = 0
        self.pool = ThreadPoolExecutor(handles, thread_name_prefix=f"clickhouse-{user}")

    async def run(self, engine: Engine, query: Query) -> Answer:
        """Run a query in a thread of this lane."""
        if self.queries >= self.queries_max:
            reason = f"Too many simultaneous queries of {self.user}. Maximum: {self.queries_max}."
            raise RefusedRequest(202, "TOO_MANY_SIMULTANEOUS_QUERIES", reason)
        self.queries += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, engine.run, self.user, query)
        finally:
            self.queries -= 1


class HttpApp:
    """The ASGI application; ``credentials`` knows the two users."""

    def __init__(
        self,
        engine: Engine,
        settings: EmbeddedClickHouseSettings,
        *,
        credentials: Credentials,
        database: str,
        new_query_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.credentials = credentials
        self.database = database
        self.new_query_id = new_query_id
        waiting = settings.waiting_queries_max
        self.lanes = {
            WRITER: Lane(WRITER, settings.writer_handles, waiting),
            ANALYST: Lane(ANALYST, settings.analyst_handles, waiting),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path in ("/ping", "/replicas_status"):
            await self._answer(send, 200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
            return
        if path != "/":
            await self._answer(send, 404, f"There is no handle {path}. Send queries to /.\n".encode(), {})
            return
        await self._query(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                for lane in self.lanes.values():
                    await asyncio.to_thread(lane.pool.shutdown, wait=True, cancel_futures=True)
                await asyncio.to_thread(self.engine.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _query(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        query_string = scope["query_string"].decode("latin-1")
        query_id = self.new_query_id()
        try:
            user = self._authenticate(query_string, headers)
            body = await self._body(receive, headers)
            request = Request(scope["method"], query_string, headers, body)
            query = read_query(request, query_bytes_max=self.settings.query_bytes_max, database=self.database)
            query_id = query.query_id or query_id
            answer = await self.lanes[user].run(self.engine, query)
        except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
            await self._answer_error(send, str(error), query_id)
            return
        await self._answer_data(send, query, answer, headers, query_id)

    def _authenticate(self, query_string: str, headers: Mapping[str, str]) -> str:
        user, password = read_credentials(query_string, headers)
        if not self.credentials.matches(user, password):
            who = user or "default"
            reason = f"{who}: Authentication failed: password is incorrect, or there is no user with such name."
            raise RefusedRequest(516, "AUTHENTICATION_FAILED", reason)
        return user

    async def _body(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        bytes_max = self.settings.body_bytes_max
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise RefusedRequest(210, "NETWORK_ERROR", "The client went away before its request was complete.")
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
            if size > bytes_max:
                raise _too_large(bytes_max)
            if not event.get("more_body", False):
                break
        try:
            return compression.decompress(b"".join(chunks), headers.get("content-encoding", ""), bytes_max)
        except compression.BodyTooLargeError:
            raise _too_large(bytes_max) from None
        except (compression.UnknownEncodingError, ValueError) as error:
            raise RefusedRequest(36, "BAD_ARGUMENTS", str(error)) from None

    async def _answer_data(
        self, send: Send, query: Query, answer: Answer, headers: Mapping[str, str], query_id: str
    ) -> None:
        data = bytes(answer.data)
        head = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Summary": _summary(answer)}
        if data or query.statement.kind is StatementKind.READ:
            head["X-ClickHouse-Format"] = answer.format or query.format
            head["Content-Type"] = content_type_of(answer.format or query.format)
        encoding = compression.choose_encoding(headers.get("accept-encoding", "")) if query.compress else ""
        if encoding and len(data) >= compression.SMALLEST_WORTH_BYTES:
            data = compression.compress(data, encoding)
            head["Content-Encoding"] = encoding
        await self._answer(send, 200, data, head)

    async def _answer_error(self, send: Send, text: str, query_id: str) -> None:
        found = _CODE.search(text)
        code = int(found.group(1)) if found else 1002
        text = text[found.start() :] if found else f"Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)"
        if "(version " not in text:
            text = f"{text} (version {self.engine.version} (official build))"
        head = {"X-ClickHouse-Exception-Code": str(code), "X-ClickHouse-Query-Id": query_id}
        if code == 516:
            head["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        if code == 1002:
            log.error("unexpected answer of the engine: %s", text)
        await self._answer(send, status_of_code(code), text.encode() + b"\n", head)

    async def _answer(self, send: Send, status: int, data: bytes, head: Mapping[str, str]) -> None:
        lines = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Server-Display-Name": "watchloop-embedded",
            "X-ClickHouse-Timezone": self.engine.timezone,
            **head,
            "Content-Length": str(len(data)),
        }
        pairs = [(key.lower().encode(), value.encode("utf-8", "replace")) for key, value in lines.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": data})


def _too_large(bytes_max: int) -> RefusedRequest:
    return RefusedRequest(307, "TOO_MANY_BYTES", f"The request's body is larger than body_bytes_max ({bytes_max}).")


def _summary(answer: Answer) -> str:
    return msgspec.json.encode(
        {
            "read_rows": str(answer.rows_read),
            "read_bytes": str(answer.bytes_read),
            "written_rows": str(answer.rows_written),
            "written_bytes": str(answer.bytes_written),
            "total_rows_to_read": "0",
            "result_rows": "0",
            "result_bytes": str(len(answer.data)),
            "elapsed_ns": str(round(answer.elapsed_seconds * 1e9)),
        }
    ).decode()
