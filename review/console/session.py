"""Who is asking: sessions in an encrypted cookie, and the roles that a request needs."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException, TooManyRequestsException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.types import Guard

from review.console import passwords
from review.console.context import Connection, Console, console_of
from schemas.person import Person, Role

__all__ = ["ConsoleRequest", "PersonMiddleware", "end_session", "needs", "session_config", "sign_in", "signed_in"]

ConsoleRequest = Request[Any, Any, State]

ROLES_ENOUGH: dict[Role, frozenset[Role]] = {
    "reviewer": frozenset({"reviewer", "on-call", "admin"}),
    "on-call": frozenset({"on-call", "admin"}),
    "admin": frozenset({"admin"}),
}
"""Which roles may do what needs a role: on call may review, an admin may do everything."""


def session_config(console: Console) -> CookieBackendConfig:
    """Sessions live in the browser, encrypted (AES-256-GCM): they survive a restart and take no memory here."""
    return CookieBackendConfig(
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
        """The person of the session, looked up anew each time, so that a disabled account stops at once."""
        return AuthenticationResult(user=await person_of(connection), auth=None)


async def person_of(connection: Connection) -> Person | None:
    """The signed-in person; an expired, ended or outdated session counts as none."""
    console = console_of(connection)
    session: dict[str, Any] = connection.session
    person_id, session_id, since = session.get("person"), session.get("id"), session.get("since")
    if not (isinstance(person_id, str) and isinstance(session_id, str) and isinstance(since, int)):
        return None
    age_seconds = (console.clock() - since) / 1000
    if session_id in console.signed_out or age_seconds > console.settings.session_seconds_max:
        return None
    person = await console.desk.person(person_id)
    if person is None or person.disabled or session.get("password") != password_mark(person):
        return None
    return person


def password_mark(person: Person) -> str:
    """Changes with the password, so that a new one ends every session made with the old one."""
    return hashlib.sha256(person.password_hash.encode()).hexdigest()[:16]


async def sign_in(request: ConsoleRequest, person_id: str, password: str) -> Person | None:
    """Check a password and open a session; None if either is wrong, without saying which.

    Raises TooManyRequestsException, with Retry-After, where a person or an address has failed too often.
    """
    console = console_of(request)
    now_seconds = console.clock() / 1000
    address = request.client.host if request.client else ""
    wait_seconds = console.by_address.take(address, now_seconds) or console.by_person.take(person_id, now_seconds)
    if wait_seconds:
        raise TooManyRequestsException(
            f"too many failed sign-ins; try again in {wait_seconds} seconds", headers={"Retry-After": str(wait_seconds)}
        )
    person = await console.desk.person(person_id)
    password_hash = person.password_hash if person else None
    right = await passwords.verify_in_thread(password_hash, password, turns=console.password_turns)
    if person is None or not right or person.disabled:
        return None
    console.by_person.forget(person_id)
    console.by_address.give_back(address)
    request.set_session(
        {
            "id": secrets.token_hex(16),
            "person": person.person_id,
            "since": console.clock(),
            "password": password_mark(person),
        }
    )
    return person


def end_session(request: ConsoleRequest) -> None:
    """Sign out: the cookie is deleted, and remembered as ended in case somebody has copied it."""
    session_id = request.session.get("id")
    if isinstance(session_id, str):
        console_of(request).signed_out.add(session_id)
    request.clear_session()


def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: somebody is signed in."""
    if connection.user is None:
        raise NotAuthorizedException("sign in first")


def needs(role: Role) -> Guard:
    """A guard: the person signed in has this role, or one that includes it."""

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        signed_in(connection, handler)
        person: Person = connection.user
        if ROLES_ENOUGH[role].isdisjoint(person.roles):
            roles = ", ".join(person.roles) or "none"
            raise PermissionDeniedException(f"this needs the role {role}; {person.person_id} has {roles}")

    return guard
