"""Translates the desk's answers into HTTP responses and errors."""

from __future__ import annotations

import http

from litestar.exceptions import HTTPException

from console.api.payloads import Done
from console.context import Console
from console.desk.protocol import ActionResult, Desk, LeasedTask, Outcome
from schemas.wire.person import Person

__all__ = ["STATUS_OF", "check_comment", "done_or_raise", "task_or_raise"]

STATUS_OF: dict[Outcome, http.HTTPStatus] = {
    "accepted": http.HTTPStatus.OK,
    "lease_lost": http.HTTPStatus.CONFLICT,
    "conflict": http.HTTPStatus.CONFLICT,
    "too_late": http.HTTPStatus.CONFLICT,
    "not_offered": http.HTTPStatus.BAD_REQUEST,
    "not_allowed": http.HTTPStatus.FORBIDDEN,
    "unknown": http.HTTPStatus.NOT_FOUND,
}


def done_or_raise(result: ActionResult) -> Done:
    """The response to a program; raises HTTPException with the desk's sentence if it was not accepted."""
    if result.outcome != "accepted":
        raise HTTPException(result.message, status_code=STATUS_OF[result.outcome])
    return Done(message=result.message, undo_until=result.undo_until)


async def task_or_raise(desk: Desk, task_id: str, person: Person) -> LeasedTask:
    """One task as this person may see it; raises HTTPException: 410 if it is closed, 404 if the id is unknown."""
    leased = await desk.task(task_id, person)
    if leased is not None:
        return leased
    missing = await desk.missing(task_id)
    is_over = missing.outcome == "conflict"
    status = http.HTTPStatus.GONE if is_over else http.HTTPStatus.NOT_FOUND
    raise HTTPException(missing.message.removesuffix("."), status_code=status)


def check_comment(console: Console, comment: str) -> str:
    """The comment, stripped; raises HTTPException 400 if it is longer than ``comment_chars_max``."""
    stripped = comment.strip()
    chars_max = console.settings.comment_chars_max
    if len(stripped) > chars_max:
        raise HTTPException(f"comment: has {len(stripped)} characters, expected at most {chars_max}", status_code=400)
    return stripped
