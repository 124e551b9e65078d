"""The bodies of requests and responses of the HTTP API, besides the desk's own Structs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.openapi.spec import Example
from msgspec import Meta

from console.sessions.passwords import PASSWORD_CHARS_MAX
from schemas.wire.person import Person, Role

__all__ = [
    "EXAMPLES",
    "SECONDS_SPENT_MAX",
    "CommentBody",
    "Done",
    "OpinionBody",
    "PersonView",
    "Problem",
    "SessionView",
    "SignInBody",
    "view_of",
]

SECONDS_SPENT_MAX = 86_400


class SignInBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to sign in, and the password."""

    person: Annotated[str, Meta(min_length=1, max_length=200, description="The id of the account.")]
    password: Annotated[str, Meta(max_length=PASSWORD_CHARS_MAX)]


class OpinionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's answer to a task that they hold, with the seconds spent on it."""

    answer: Annotated[
        str,
        Meta(
            min_length=1, max_length=200, description="One of the task's choices, or __cannot_tell__ after a real look."
        ),
    ]
    seconds_spent: Annotated[float, Meta(ge=0, le=SECONDS_SPENT_MAX, description="How long the person looked at it.")]
    comment: Annotated[str, Meta(max_length=10_000)] = ""


class CommentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comment that is stored with an action."""

    comment: Annotated[str, Meta(max_length=10_000)] = ""


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """An account without its password hash."""

    person_id: str
    name: str
    roles: tuple[Role, ...]
    simulated: Annotated[bool, Meta(description="A program of the demo, not a person.")]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """The person who is signed in, and the token that requests which change something must carry."""

    person: PersonView | None
    csrf_token: Annotated[str, Meta(description="Send it in the header `x-csrftoken`, with the cookie set beside it.")]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence about what was done, and until when it can be taken back."""

    message: str
    undo_until: Annotated[int, Meta(description="Epoch milliseconds until which it can be taken back; 0: not.")] = 0


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong with a request, in one sentence (problem details, RFC 9457)."""

    status: int
    title: str
    detail: str


EXAMPLES = {
    "sign in": Example(summary="A reviewer", value={"person": "maria", "password": "correct horse battery"}),
    "opinion": Example(
        summary="The model was wrong", value={"answer": "DOWN", "seconds_spent": 4.2, "comment": "holiday demand"}
    ),
    "comment": Example(summary="With a reason", value={"comment": "sensor 4 was recalibrated"}),
}


def view_of(person: Person) -> PersonView:
    """The public part of an account."""
    return PersonView(person_id=person.person_id, name=person.name, roles=person.roles, simulated=person.simulated)
