"""Nothing that a request can say ends a route: an answer below 500, in time."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from litestar import Litestar

from tests.support.live_console import LiveConsole, routes
from tests.support.waiting import PATIENCE_SECONDS

HEADERS = (
    b"", b"\x80\xff", b"\xe2\x82\xac", b"x" * 60_000, b"[", b"true", b"a=b; a=c; =; ;;;=", b"\"'<>", b"-1", b"9" * 400,
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff",
    b"application/json; charset=utf-99", b"application/x-www-form-urlencoded; charset=utf-16", b"text/\x00",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[" * 60_000, b'{"a":' * 10_000, b"null", b"NaN", b"1" * 5_000, b"\xff\xfe", b'{"person": "\\ud800"}',
    b'{"person": "a", "password": "\\ud800\\u0000"}', b'{"person": "\\u0000", "password": "' + b"x" * 300 + b'"}',
    b'{"answer": 1e400, "seconds_spent": 1e400}', b'{"answer": "up", "seconds_spent": -1, "comment": "\\u202e"}',
    b"answer=%ff%00&comment=%80&shown_at=" + b"9" * 400, b"answer=%E2%82%AC&shown_at=\xb2", b"&" * 10_000, b"=&=&==",
    b"next=/%E2%82%AC&person=%ff&password=%ff", b"next=/%0d%0aSet-Cookie:x=y", b"_csrf_token=%E2%82%AC" + b"x" * 130,
    b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", b"--x\r\n\r\n", b"x" * 70_000,
    b'{"person": "\xff", "password": "x"}', b'{"\xff": 1}', b'{"comment": "\xed\xa0\x80"}', b'{"answer": "\xc3',
    *(
        b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\nContent-Type: text/plain; charset=' + charset
        + b"\r\n\r\n\xff\xd8\r\n--x--\r\n"
        for name in (b"person", b"next", b"_csrf_token", b"\xff")
        for charset in (b"nonsense", b"utf-8", b"utf-16", b"base64", b"idna", b"undefined", b"punycode", b"x\x00y", b"")
    ),
)  # fmt: skip
PARTS = (
    b"",
    b"%",
    b"%00",
    b"%ff",
    b"%2F",
    b"%2e%2e",
    b"%E2%82%AC",
    b"%ED%A0%80",
    b"a" * 5_000,
    b"%0d%0a",
    b"{x}",
    b"+",
    b"*",
)
QUERIES = (
    b"lane=", b"lane=%ff", b"offset=" + b"9" * 400, b"offset=1e400", b"offset=%00", b"state=%E2%82%AC",
    b"next=/%E2%82%AC", b"next=//evil", b"next=/%0d%0aX:y", b"next=%ED%A0%80", b"everywhere=2", b"&&&=;",
    b"a=b&" * 3_000, b"\xff", b"[" * 3_000,
)  # fmt: skip
FIELDS = (b"cookie", b"accept", b"content-type", b"x-csrftoken", b"hx-request", b"x-forwarded-for", b"origin", b"range")
SPEAKING_FOR_ALL = {"/sign-in", "/api/session", "/queue", "/tasks/{task_id}/answer", "/static/{path}"}
"""Headers are read before a route is: pages, the API, forms and files."""
USUAL_BODIES = {
    "/api/session": b'{"person": "nobody", "password": "x"}',
    "/opinion": b'{"answer": "up", "seconds_spent": 1}',
    "/acknowledge": b'{"comment": "x"}',
    "/resolve": b'{"comment": "x"}',
}
"""What the API takes, by the end of the path: without it garbage elsewhere would not come as far as the route."""
ODD_BODIES = (
    b'{"comment": "\\u202e\\u0000\\ud83d\\ude00"}',
    b'{"answer": "\\u0000\\u202e", "comment": "</script>", "seconds_spent": 0}',
    b'{"person": "\\u0000\\u202e", "password": "\\u0000"}',
)  # fmt: skip
"""Bodies that the API can read, with texts that nobody would write."""


def usual_body(path: str) -> bytes:
    """A body that the API's route takes."""
    return next((body for end, body in USUAL_BODIES.items() if path.startswith("/api/") and path.endswith(end)), b"")


def requests(console: LiveConsole) -> Iterator[dict[str, Any]]:
    """Requests to every route, each with garbage in one part: path, query, headers or body."""
    types = [b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"]
    for method, template in routes(console.app):
        path = re.sub(r"\{\w+\}", "t-0", template.replace("{file_path}", "console.css")).encode()
        usual: dict[str, Any] = {"usual": usual_body(template)} if method == "POST" else {}
        if "{" in template:
            for part in PARTS:
                yield {"method": method, "path": re.sub(r"\{\w+\}", part.decode(), template).encode(), **usual}
        for query in QUERIES:
            yield {"method": method, "path": path, "query": query, **usual}
        for name, value in itertools.product(
            (b"cookie", b"accept", b"content-type", b"x-csrftoken", b"hx-request"), HEADERS
        ):
            yield {"method": method, "path": path, "headers": [(name, value)], **usual}
        if method != "GET":
            for media_type, body in itertools.product(types, BODIES + ODD_BODIES):
                yield {"method": method, "path": path, "headers": [(b"content-type", media_type)], "body": body}
    for method in ("GET", "POST", "PATCH", "TRACE", "\u20ac", ""):
        for part in PARTS:
            yield {"method": method, "path": b"/" + part}


OPEN_TO_ALL = (b"/", b"/sign-in", b"/sign-out", b"/api/session", b"/healthz", b"/metrics")


async def ask(console: LiveConsole, known: list[tuple[bytes, bytes]], request: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of the application's answer to raw ASGI messages, with bytes that no HTTP client sends."""
    given = request.get("headers", [])
    headers = [(name, value) for name, value in known if name not in {other for other, _ in given}] + given
    body = request.get("body") or request.get("usual", b"")
    if "usual" in request and not any(name == b"content-type" for name, _ in given):
        headers.append((b"content-type", b"application/json"))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": request["method"],
        "path": unquote(request["path"].decode("latin-1")), "raw_path": request["path"], "root_path": "",
        "query_string": request.get("query", b""), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode()), *headers],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        for name, value in message.get("headers", []):
            assert isinstance(name, bytes)
            assert not re.search(rb"[\r\n\x00]", value), (name, value)
        sent.append(message)

    await asyncio.wait_for(console.app(scope, receive, send), PATIENCE_SECONDS)  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


class Reached:
    """The parts of a request, for each route, whose garbage reached the route's own function."""

    def __init__(self, app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
        self.part = ""
        self.parts: dict[tuple[str, str], set[str]] = {}
        for method, path, handler in handlers(app):
            self.parts[method, path] = set()
            monkeypatch.setattr(handler, "_fn", self._noting(method, path, handler.fn))

    def _noting(self, method: str, path: str, function: Any) -> Any:
        def noting(*given: Any, **named: Any) -> Any:
            self.parts[method, path].add(self.part)
            return function(*given, **named)

        return noting


def handlers(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    """Method, path template and handler of every route of the application."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                if method != "OPTIONS":
                    yield method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), handler


def part_with_garbage(request: dict[str, Any]) -> str:
    """The part of a request that holds its garbage."""
    return next((part for part in ("body", "headers", "query") if part in request), "path")


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_no_route_fails_on_garbage(console: LiveConsole, is_signed_in: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage in any part of a request reaches the route's function and gets an answer below 500 in time."""
    with console.visit("ada" if is_signed_in else "") as visitor:
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
        known = [(b"cookie", cookie.encode()), (b"x-csrftoken", visitor.client.headers["x-csrftoken"].encode())]

        reached = Reached(console.app, monkeypatch)

        async def walk() -> list[tuple[int, dict[str, Any]]]:
            failed = []
            for request in requests(console):
                if not is_signed_in and request["path"] not in OPEN_TO_ALL:
                    continue  # the sign-in is as far as it gets
                if request["path"] in (b"/sign-out", b"/api/session") and request["method"] in ("POST", "DELETE"):
                    console.state.signed_out.__init__(86_400)  # type: ignore[misc]  # a sign-out would end the walk
                reached.part = part_with_garbage(request)
                status, body = await ask(console, known, request)
                if status >= 500 or b"Traceback" in body:
                    failed.append((status, {name: value[:80] for name, value in request.items()}))
            return failed

        failed = asyncio.run(walk())
    assert failed == [], "\n".join(map(str, failed[:20]))
    public = {path.decode() for path in OPEN_TO_ALL}
    missed = {
        route: sorted(wanted(*route) - parts)
        for route, parts in reached.parts.items()
        if (is_signed_in or route[1] in public) and not wanted(*route) <= parts
    }
    assert missed == {}, "garbage there is stopped before the route's own function"
    assert ("GET", "/static/{file_path}") in reached.parts, "own files are a route too"


def wanted(method: str, path: str) -> set[str]:
    """The parts whose garbage must reach a route's function; garbage that ends at the sign-in would prove nothing."""
    if path.startswith("/static/"):
        return {"query", "headers"}  # names that are no file of ours end before the file is looked for
    return {"query", "headers"} | ({"path"} if "{" in path else set()) | ({"body"} if method != "GET" else set())
