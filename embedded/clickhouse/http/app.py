"""ClickHouse's HTTP interface as an ASGI application over any engine."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from embedded.clickhouse.credentials import Credentials
from embedded.clickhouse.http import compression
from embedded.clickhouse.http.lanes import Admission, Lane
from embedded.clickhouse.http.protocol import (
    Query,
    RefusedRequest,
    Request,
    content_type_of,
    read_credentials,
    read_query,
    status_of_code,
)
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.clickhouse.sql_text import StatementKind

__all__ = ["ANALYST", "WRITER", "Answer", "Engine", "HttpApp"]

WRITER = "watchloop"
ANALYST = "analyst"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)
_CODE = re.compile(r"Code: (\d+)\. ")
_NOT_PRINTED = re.compile(r"[^\x20-\x7e]")
CLOSE: Final = {"Connection": "close"}
PATH_SHOWN_MAX: Final = 100
ERROR_SHOWN_MAX: Final = 2_000
HEADER_BYTES_MAX: Final = 4_096
SENT_BYTES: Final = 256 * 1024
"""Bytes of an answer that are handed to the network at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The engine's answer: its bytes, their format if it differs from the query's, and what was read and written."""

    data: bytes | memoryview
    format: str = ""
    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    elapsed_seconds: float = 0.0


class Engine(Protocol):
    """Runs the statements; its methods block, and are called from threads."""

    version: str
    timezone: str

    def run(self, user: str, query: Query) -> Answer:
        """Run one statement. The text of an exception is ClickHouse's: ``Code: N. DB::Exception: …``."""

    def close(self) -> None:
        """Close the database; no statement may run any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status, header lines, and the body, compressed already if the client asked for it."""

    status: int
    data: bytes
    head: Mapping[str, str]


class HttpApp:
    """The ASGI application; ``credentials`` knows the two users."""

    def __init__(
        self,
        engine: Engine,
        settings: EmbeddedClickHouseSettings,
        *,
        credentials: Credentials,
        database: str,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.credentials = credentials
        self.database = database
        waiting = settings.waiting_queries_max
        self.lanes = {
            WRITER: Lane(WRITER, settings.writer_handles, waiting, settings.writer_buffered_bytes_max, "writer"),
            ANALYST: Lane(ANALYST, settings.analyst_handles, waiting, settings.analyst_buffered_bytes_max),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and stop of the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path in ("/ping", "/replicas_status"):
            await self._send(send, Reply(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8", **CLOSE}))
            return
        if path != "/":
            text = f"There is no handle {path[:PATH_SHOWN_MAX]}. Send queries to /.\n"
            await self._send(send, Reply(404, text.encode("utf-8", "replace"), CLOSE))
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
        """Take the request and send the reply; work whose time grows with either runs in a thread of the lane."""
        head_bytes = len(scope["query_string"]) + sum(len(key) + len(value) for key, value in scope["headers"])
        if head_bytes > self.settings.head_bytes_max:
            reason = f"Address and headers are larger than head_bytes_max ({self.settings.head_bytes_max}).\n"
            await self._send(send, Reply(400, reason.encode(), CLOSE))
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        query_string = scope["query_string"].decode("latin-1")
        query_id = str(uuid.uuid4())
        body = _Body(receive)
        try:
            lane = self.lanes[self._authenticate(query_string, headers)]
            with lane.admit() as admission:
                packed = await self._body(body, lane.user, admission)
                request = Request(scope["method"], query_string, headers, packed)
                reply = await lane.run(functools.partial(self._reply, lane.user, request, query_id))
                admission.hold(len(reply.data))
                await self._send(send, reply)
                return
        except RefusedRequest as error:
            refused = self._error_reply(str(error), query_id)
        # A client that has not sent its whole request would otherwise go on sending it.
        await self._send(send, refused if body.complete else replace(refused, head={**refused.head, **CLOSE}))

    def _reply(self, user: str, request: Request, query_id: str) -> Reply:
        """Decompress the request, read it, run it, and compress the answer. Called in a thread."""
        try:
            request = replace(request, body=_unpacked(request, self._body_limit(user)))
            query = read_query(
                request,
                query_bytes_max=self.settings.query_bytes_max,
                tokens_max=self.settings.query_tokens_max,
                fields_max=self.settings.request_fields_max,
                database=self.database,
            )
            query_id = query.query_id or query_id
            return _answer_reply(query, self.engine.run(user, query), request.headers, query_id)
        except Exception as error:  # noqa: BLE001 - the engine's error is the answer
            return self._error_reply(str(error), query_id)

    def _authenticate(self, query_string: str, headers: Mapping[str, str]) -> str:
        user, password = read_credentials(query_string, headers)
        if not self.credentials.matches(user, password):
            who = user or "default"
            reason = f"{who}: Authentication failed: password is incorrect, or there is no user with such name."
            raise RefusedRequest(516, "AUTHENTICATION_FAILED", reason)
        return user

    def _body_limit(self, user: str) -> _Limit:
        setting = "body_bytes_max" if user == WRITER else "analyst_body_bytes_max"
        return _Limit(setting, getattr(self.settings, setting))

    async def _body(self, body: _Body, user: str, admission: Admission) -> bytes:
        """The body as it was sent; raises RefusedRequest beyond the user's bounds of bytes or of time."""
        limit = self._body_limit(user)
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self.settings.body_seconds_max):
                while not body.complete:
                    chunk = await body.chunk()
                    admission.hold(len(chunk))
                    if admission.bytes_held > limit.bytes_max:
                        raise _too_large(limit)
                    chunks.append(chunk)
        except TimeoutError:
            reason = f"The request's body took longer than body_seconds_max ({self.settings.body_seconds_max} s)."
            raise RefusedRequest(209, "SOCKET_TIMEOUT", reason) from None
        return b"".join(chunks)

    def _error_reply(self, text: str, query_id: str) -> Reply:
        match = _CODE.search(text)
        code = int(match.group(1)) if match else 1002
        text = text[match.start() :] if match else f"Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)"
        if "(version " not in text:
            text = f"{text} (version {self.engine.version} (official build))"
        head = {"X-ClickHouse-Exception-Code": str(code), "X-ClickHouse-Query-Id": query_id}
        if code == 516:
            head["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        if code == 1002:
            log.error("unexpected answer of the engine: %s", text[:ERROR_SHOWN_MAX])
        return Reply(status_of_code(code), text.encode("utf-8", "replace") + b"\n", head)

    async def _send(self, send: Send, reply: Reply) -> None:
        """Send a reply piece by piece, as fast as the client reads, for at most ``answer_seconds_max``."""
        lines = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Server-Display-Name": "watchloop-embedded",
            "X-ClickHouse-Timezone": self.engine.timezone,
            **reply.head,
            "Content-Length": str(len(reply.data)),
        }
        pairs = [(key.lower().encode(), _header_value(value)) for key, value in lines.items()]
        data = memoryview(reply.data)
        try:
            async with asyncio.timeout(self.settings.answer_seconds_max):
                await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
                for start in range(0, len(data), SENT_BYTES):
                    piece = bytes(data[start : start + SENT_BYTES])
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            # The server closes the connection, because the answer is not complete.
            log.error("a client read its answer slower than answer_seconds_max allows")


class _Body:
    """The body of a request that is being received."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False

    async def chunk(self) -> bytes:
        event = await self._receive()
        if event["type"] == "http.disconnect":
            raise RefusedRequest(210, "NETWORK_ERROR", "The client went away before its request was complete.")
        self.complete = not event.get("more_body", False)
        return bytes(event.get("body", b""))


class _Limit(NamedTuple):
    """The most bytes of a request's body, and the name of the setting that bounds them."""

    setting: str
    bytes_max: int


def _unpacked(request: Request, limit: _Limit) -> bytes:
    try:
        return compression.decompress(request.body, request.headers.get("content-encoding", ""), limit.bytes_max)
    except compression.BodyTooLargeError:
        raise _too_large(limit) from None
    except (compression.UnknownEncodingError, ValueError) as error:
        raise RefusedRequest(36, "BAD_ARGUMENTS", str(error)) from None


def _answer_reply(query: Query, answer: Answer, headers: Mapping[str, str], query_id: str) -> Reply:
    data = bytes(answer.data)
    head = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Summary": _summary(answer)}
    if data or query.statement.kind is StatementKind.READ:
        head["X-ClickHouse-Format"] = answer.format or query.format
        head["Content-Type"] = content_type_of(answer.format or query.format)
    encoding = compression.choose_encoding(headers.get("accept-encoding", "")) if query.compress else ""
    if encoding and len(data) >= compression.SMALLEST_WORTH_BYTES:
        data = compression.compress(data, encoding)
        head["Content-Encoding"] = encoding
    return Reply(200, data, head)


def _header_value(text: str) -> bytes:
    """A header's value without line breaks, which a query's id or format could bring in from outside."""
    return _NOT_PRINTED.sub("?", text)[:HEADER_BYTES_MAX].encode("ascii", "replace")


def _too_large(limit: _Limit) -> RefusedRequest:
    reason = f"The request's body is larger than {limit.setting} ({limit.bytes_max})."
    return RefusedRequest(307, "TOO_MANY_BYTES", reason)


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
