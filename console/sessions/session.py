"""Sessions in an encrypted cookie: signing in and out, the person of a request, and the role that a request needs."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    TooManyRequestsException,
)
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import Guard

from console.context import Connection, Console, console_of
from console.sessions import passwords
from console.sessions.cookies import SessionConfig, set_device_cookie
from console.sessions.guessing import TurnsTaken
from schemas.wire.person import Person, Role
from schemas.wire.sign_out import SignOut

__all__ = ["ConsoleRequest", "PersonMiddleware", "end_session", "needs", "session_config", "sign_in", "signed_in"]

ConsoleRequest = Request[Any, Any, State]

ROLES_ENOUGH: dict[Role, frozenset[Role]] = {
    "reviewer": frozenset({"reviewer", "on-call", "admin"}),
    "on-call": frozenset({"on-call", "admin"}),
    "admin": frozenset({"admin"}),
}
"""For each role that a route needs, the roles that may use it: on-call may review, and an admin may do everything."""


def session_config(console: Console) -> SessionConfig:
    """Sessions are kept in an encrypted cookie (AES-256-GCM): they survive a restart and need no memory here."""
    return SessionConfig(
        secret=console.key("sessions"),
        key=console.cookie_name("session"),
        max_age=console.settings.session_idle_seconds,
        secure=console.settings.secure_cookies,
        httponly=True,
        samesite="lax",
        exclude=["^/static/"],
    )


class PersonMiddleware(AbstractAuthenticationMiddleware):
    """Puts the signed-in Person, or None, on every request."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """The person of the session, looked up for every request, so that a disabled account is locked out at once."""
        return AuthenticationResult(user=await person_of(connection), auth=None)


async def person_of(connection: Connection) -> Person | None:
    """The signed-in person; None without a session, or if it has expired or ended, or the password has changed."""
    console = console_of(connection)
    session: dict[str, Any] = connection.session
    person_id, session_id, since = session.get("person"), session.get("id"), session.get("since")
    if not (isinstance(person_id, str) and isinstance(session_id, str) and isinstance(since, int)):
        return None
    age_seconds = (console.clock() - since) / 1000
    if age_seconds > console.settings.session_seconds_max or console.signed_out.has_ended(person_id, session_id, since):
        return None
    person = await console.desk.person(person_id)
    if person is None or person.disabled or session.get("password") != password_mark(person):
        return None
    return person


def password_mark(person: Person) -> str:
    """A hash that changes with the password, so that a new password ends all sessions made with the old one."""
    return hashlib.sha256(person.password_hash.encode()).hexdigest()[:16]


async def sign_in(request: ConsoleRequest, person_id: str, password: str) -> Person | None:
    """Check a password and open a session; None if the person or the password is wrong, without saying which.

    Raises TooManyRequestsException, with Retry-After, if too many attempts have failed or are waiting.
    """
    console, address = console_of(request), request.client.host if request.client else ""
    cookie = request.cookies.get(console.cookie_name("device"), "")
    attempt = console.guessing.begin(person_id, address, cookie, console.clock())
    if isinstance(attempt, int):
        raise too_many(f"too many failed sign-ins; try again in {attempt} seconds", attempt)
    person = await console.desk.person(person_id)
    turns = console.turns_of_known if attempt.allowance == "device" else console.turns
    try:
        right = await passwords.verify_in_thread(person.password_hash if person else None, password, turns=turns)
    except TurnsTaken as error:
        raise too_many("too many people sign in at the moment; try again in a second", 1) from error
    if person is None or not right or person.disabled:
        console.guessing.was_wrong(attempt, console.clock())
        return None
    set_device_cookie(request, console.guessing.was_right(attempt, console.clock()))
    request.set_session(
        {
            "id": secrets.token_hex(16),
            "person": person.person_id,
            "since": max(console.clock(), console.signed_out.earliest(person.person_id)),
            "password": password_mark(person),
        }
    )
    return person


def too_many(line: str, wait_seconds: int) -> TooManyRequestsException:
    """Status 429 with a line for the person, and the seconds to wait in the header Retry-After."""
    return TooManyRequestsException(line, headers={"Retry-After": str(wait_seconds)})


async def end_session(request: ConsoleRequest, *, everywhere: bool = False) -> None:
    """Sign out: delete the cookie, and end its session for good before the response is sent.

    ``everywhere`` ends all sessions of the person. Raises HTTPException 503 if the sign-out cannot be stored.
    """
    console, session = console_of(request), request.session
    session_id, since = session.get("id"), session.get("since")
    person, now = request.user, console.clock()
    request.clear_session()
    if person is None or not isinstance(session_id, str) or not isinstance(since, int):
        return
    ended = SignOut(person=person.person_id, session_id=session_id, began_at=since, ended_at=now)
    if everywhere:
        ended = SignOut(person=person.person_id, ended_at=now)
    console.signed_out.hear(ended, now)
    try:
        await console.store_sign_out(ended)
    except ConnectionError as error:
        line = f"signed out here, but not for good: {error}; until it is, a copy of this session may live again"
        raise HTTPException(line, status_code=503) from error


def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard that lets only signed-in people through."""
    if connection.user is None:
        raise NotAuthorizedException("sign in first")


def needs(role: Role) -> Guard:
    """A guard that lets only people with this role, or one that includes it, through."""

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        signed_in(connection, handler)
        person: Person = connection.user
        if ROLES_ENOUGH[role].isdisjoint(person.roles):
            roles = ", ".join(person.roles) or "none"
            raise PermissionDeniedException(f"this needs the role {role}; {person.person_id} has {roles}")

    return guard
