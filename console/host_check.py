"""Under which names the console answers: a page of another site cannot reach it by making its own name point here."""

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
"""Status of RFC 6455 with which a WebSocket is refused."""

_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


def host_name(header: str) -> str:
    """The name or address in a Host header (RFC 9110), in lower case, without port, brackets and last dot; empty where
    the header is not one.

    >>> host_name("Desk.Example.ORG.:8443"), host_name("[::1]:80"), host_name("a/b")
    ('desk.example.org', '::1', '')
    """
    match = _HOST.fullmatch(header)
    return match["name"].strip("[]").removesuffix(".").lower() if match else ""


def is_loopback_address(host: str) -> bool:
    """Whether this is an address of this machine alone: 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HostCheck:
    """An ASGI application that hands on what is addressed to the console.

    The Host header must name this machine (``localhost``, a loopback address), the address that the request came to,
    ``console.host``, or one of ``console.hosts``; any port will do. Everything else is refused in one line (421; 400
    where there is no such header, or not one). A browser that was lured by DNS rebinding names the other site. An
    address that is none is refused here as well: what comes after makes a text of it.
    """

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._names = {"localhost", *(host_name(name) or name for name in (settings.host, *settings.hosts))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
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
    """Whether both are the same IP address: a name, which somebody else could point here, is none."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(address)
    except ValueError:
        return False


async def _refuse(scope: Scope, send: Send, status: int, title: str, line: str) -> None:
    is_api = scope["path"].startswith("/api/")
    body = json.dumps({"status": status, "title": title, "detail": line}) if is_api else f"{line}\n"
    kind = b"application/problem+json" if is_api else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode(), "more_body": False})
