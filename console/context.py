"""What every request handler of the console can reach."""

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

__all__ = ["Connection", "Console", "TellSignOut", "console_of", "keep_in_memory"]

Connection = ASGIConnection[Any, Any, Any, Any]

TellSignOut = Callable[[SignOut], Awaitable[None]]
"""Returns once the end of a session is where a restart finds it; raises ConnectionError where that is not possible."""


async def keep_in_memory(_: SignOut) -> None:
    """For a console without a log: what has ended is known until the program ends."""


@dataclasses.dataclass(slots=True)
class Console:
    """The desk, the settings, and the little state that the console itself keeps in memory.

    ``clock`` returns epoch milliseconds; ``signed_out`` knows the sessions that have ended, ``tell_sign_out`` makes the
    end of one last.
    """

    desk: Desk
    settings: ConsoleSettings
    metrics: Callable[[], bytes] | None
    clock: Callable[[], int]
    signed_out: SignedOut
    tell_sign_out: TellSignOut
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
        """A key of 32 bytes for one purpose, out of the secret."""
        return hmac.new(self.secret, f"watchloop console {purpose}".encode(), hashlib.sha256).digest()

    def cookie_name(self, purpose: str) -> str:
        """Names a cookie after its key: browsers do not keep the cookies of two ports apart, nor of two starts."""
        return f"watchloop-{purpose}-{self.key(f'{purpose} cookie name').hex()[:8]}"


def console_of(connection: Connection) -> Console:
    """The console that this request or connection belongs to."""
    console: Console = connection.app.state.console
    return console
