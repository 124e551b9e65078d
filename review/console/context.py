"""What every request handler of the console can reach."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection

from review.console.attempts import Attempts
from review.console.desk import Desk
from review.console.settings import ConsoleSettings

__all__ = ["Connection", "Console", "SignedOut", "console_of"]

Connection = ASGIConnection[Any, Any, Any, Any]


class SignedOut:
    """Sessions that were ended: their cookie is worth nothing. Past ``sessions_max`` the oldest is forgotten."""

    def __init__(self, sessions_max: int) -> None:
        self._sessions_max = sessions_max
        self._sessions: collections.OrderedDict[str, None] = collections.OrderedDict()

    def add(self, session_id: str) -> None:
        """This session has ended."""
        self._sessions[session_id] = None
        while len(self._sessions) > self._sessions_max:
            self._sessions.popitem(last=False)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def __len__(self) -> int:
        return len(self._sessions)


@dataclasses.dataclass(slots=True)
class Console:
    """The desk, the settings, and the little state that the console itself keeps in memory.

    ``clock`` returns epoch milliseconds.
    """

    desk: Desk
    settings: ConsoleSettings
    metrics: Callable[[], bytes] | None
    clock: Callable[[], int]
    secret: bytes = dataclasses.field(init=False, repr=False)
    by_person: Attempts = dataclasses.field(init=False)
    by_address: Attempts = dataclasses.field(init=False)
    signed_out: SignedOut = dataclasses.field(init=False)
    password_turns: asyncio.Semaphore = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.secret = settings.secret.encode() or secrets.token_bytes(32)
        self.by_person = attempts_of(settings, settings.sign_in_failures_max)
        self.by_address = attempts_of(settings, settings.sign_in_failures_per_address_max)
        self.signed_out = SignedOut(settings.signed_out_sessions_max)
        self.password_turns = asyncio.Semaphore(settings.sign_in_parallel_max)

    def key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, out of the secret."""
        return hmac.new(self.secret, f"watchloop console {purpose}".encode(), hashlib.sha256).digest()

    def cookie_name(self, purpose: str) -> str:
        """Names a cookie after its key: browsers do not keep the cookies of two ports apart, nor of two starts."""
        return f"watchloop-{purpose}-{self.key(f'{purpose} cookie name').hex()[:8]}"


def attempts_of(settings: ConsoleSettings, failures_max: int) -> Attempts:
    """The counter of failed sign-ins for one kind of key."""
    return Attempts(
        failures_max=failures_max,
        wait_seconds=settings.sign_in_wait_seconds,
        entries_max=settings.sign_in_entries_max,
    )


def console_of(connection: Connection) -> Console:
    """The console that this request or connection belongs to."""
    console: Console = connection.app.state.console
    return console
