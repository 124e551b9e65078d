"""Cookies: sessions, read with care, and the cookie of a browser that a person has signed in with."""

from __future__ import annotations

import dataclasses
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.session.client_side import ClientSideSessionBackend, CookieBackendConfig
from litestar.types import Message, Scope

from console.context import Console, console_of
from console.sessions.devices import DEVICE_SECONDS_MAX

__all__ = ["SessionConfig", "send_device_cookie", "set_device_cookie"]

STATE_KEY = "watchloop_device"


class SessionBackend(ClientSideSessionBackend):
    """Sessions in an encrypted cookie. A cookie that was not made here is no session, whatever it holds."""

    async def load_from_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> dict[str, Any]:
        """The session; empty if there is none."""
        try:
            session = await super().load_from_connection(connection)
        except Exception:  # noqa: BLE001  # parts are read before the seal is checked: any error means a foreign cookie
            return {}
        return session if isinstance(session, dict) else {}


@dataclasses.dataclass
class SessionConfig(CookieBackendConfig):
    """Settings of session cookies, with which Litestar uses ``SessionBackend`` instead of its own backend."""

    _backend_class = SessionBackend


def set_device_cookie(request: ASGIConnection[Any, Any, Any, Any], value: str) -> None:
    """Set the browser's cookie with the response to this request."""
    console: Console = console_of(request)
    request.scope["state"][STATE_KEY] = Cookie(
        key=console.cookie_name("device"),
        value=value,
        max_age=DEVICE_SECONDS_MAX,
        secure=console.settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


async def send_device_cookie(message: Message, scope: Scope) -> None:
    """A hook that adds that cookie to the response."""
    cookie = scope.get("state", {}).get(STATE_KEY)
    if cookie is not None and message["type"] == "http.response.start":
        MutableScopeHeaders.from_message(message).add("Set-Cookie", cookie.to_header(header=""))
