"""Console: the state that every request handler of the console can use."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection

from console.desk.protocol import Desk
from console.sessions.devices import Devices
from console.sessions.guessing import Guessing, PasswordTurns
from console.sessions.signed_out import SignedOut
from console.settings import ConsoleSettings
from schemas.wire.sign_out import SignOut

__all__ = ["Connection", "Console", "StoreSignOut", "console_of", "keep_in_memory"]

Connection = ASGIConnection[Any, Any, Any, Any]

StoreSignOut = Callable[[SignOut], Awaitable[None]]
"""Stores a sign-out so that a restart knows it; raises ConnectionError if that is not possible."""


async def keep_in_memory(_: SignOut) -> None:
    """For a console without a log: a sign-out is forgotten when the program ends."""


@dataclasses.dataclass(slots=True)
class Console:
    """The desk, the settings, and the little state that the console itself keeps in memory.

    ``clock`` returns epoch milliseconds. ``signed_out`` holds the sessions that have ended; ``store_sign_out`` stores a
    sign-out.
    """

    desk: Desk
    settings: ConsoleSettings
    metrics: Callable[[], bytes] | None
    clock: Callable[[], int]
    signed_out: SignedOut
    store_sign_out: StoreSignOut
    secret: bytes = dataclasses.field(init=False, repr=False)
    guessing: Guessing = dataclasses.field(init=False)
    turns: PasswordTurns = dataclasses.field(init=False)
    turns_of_known: PasswordTurns = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.secret = settings.secret.encode() or secrets.token_bytes(32)
        self.guessing = Guessing(settings, Devices(self.key("devices")))
        self.turns = PasswordTurns(settings.sign_in_parallel_max, settings.sign_in_waiting_max)
        self.turns_of_known = PasswordTurns(1, settings.sign_in_waiting_max)

    def key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, derived from the secret."""
        return hmac.new(self.secret, f"watchloop console {purpose}".encode(), hashlib.sha256).digest()

    def cookie_name(self, purpose: str) -> str:
        """The name of a cookie, which depends on its key: browsers share cookies between ports, and between starts."""
        return f"watchloop-{purpose}-{self.key(f'{purpose} cookie name').hex()[:8]}"


def console_of(connection: Connection) -> Console:
    """The console that a request or connection belongs to."""
    console: Console = connection.app.state.console
    return console
