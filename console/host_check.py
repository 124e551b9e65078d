"""Checks the Host header, so that a page of another site cannot reach the console under a name that points here."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from console.settings import ConsoleSettings

__all__ = ["HostCheck", "host_name", "is_loopback_address"]

NAME_CHARS_SHOWN: Final = 100
MISDIRECTED: Final = 421
BAD_REQUEST: Final = 400
POLICY_VIOLATION: Final = 1008
"""The status of RFC 6455 with which a WebSocket is closed."""

_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


def host_name(header: str) -> str:
    """The name or address in a Host header (RFC 9110), in lower case, without port, brackets and final dot.

    Empty if the header is malformed.

    >>> host_name("Desk.Example.ORG.:8443"), host_name("[::1]:80"), host_name("a/b")
    ('desk.example.org', '::1', '')
    """
    match = _HOST.fullmatch(header)
    return match["name"].strip("[]").removesuffix(".").lower() if match else ""


def is_loopback_address(host: str) -> bool:
    """Whether this is a loopback address: 127.0.0.0/8 or ::1.

    >>> is_loopback_address("127.0.0.53"), is_loopback_address("::1"), is_loopback_address("localhost")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HostCheck:
    """An ASGI application that passes on the requests that are addressed to the console.

    The Host header must name this machine (``localhost`` or a loopback address), the address at which the request
    arrived, ``console.host``, or one of ``console.hosts``, with any port. Any other request is refused in one line:
    with 421, or with 400 if the header is missing, malformed or repeated. Under DNS rebinding a browser names the other
    site, and is refused. A query string that is not ASCII is refused too, because later code decodes it as text.
    """

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._names = {"localhost", *(host_name(name) or name for name in (settings.host, *settings.hosts))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or WebSocket."""
        hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
        given = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        name = host_name(given)
        if name and not scope["query_string"].isascii():
            await _refuse(
                scope,
                send,
                BAD_REQUEST,
                "Unreadable address",
                "the address has bytes that are no characters of one (RFC 3986)",
            )
        elif name and self._is_ours(name, scope):
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "unknown host"})
        elif name:
            line = f"the console does not answer as {name[:NAME_CHARS_SHOWN]}; console.hosts names what it answers as"
            await _refuse(scope, send, MISDIRECTED, "Unknown host", line)
        else:
            await _refuse(
                scope, send, BAD_REQUEST, "No host", "the request needs one Host header with a name or an address"
            )

    def _is_ours(self, name: str, scope: Scope) -> bool:
        if name in self._names or is_loopback_address(name):
            return True
        server = scope.get("server")
        return server is not None and _same_address(name, server[0])


def _same_address(name: str, address: str) -> bool:
    """Whether both are the same IP address; False for a name, which somebody else could let point here."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(address)
    except ValueError:
        return False


async def _refuse(scope: Scope, send: Send, status: int, title: str, line: str) -> None:
    is_api = scope["path"].startswith("/api/")
    body = json.dumps({"status": status, "title": title, "detail": line}) if is_api else f"{line}\n"
    media_type = b"application/problem+json" if is_api else b"text/plain; charset=utf-8"
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode(), "more_body": False})
