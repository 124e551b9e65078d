"""What the desk said of a request, as an answer over HTTP."""

from __future__ import annotations

import http

from litestar.exceptions import HTTPException

from review.console.context import Console
from review.console.desk import ActionResult, Outcome
from review.console.payloads import Done

__all__ = ["STATUS_OF", "check_comment", "done_or_raise"]

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
    """The answer to a program; raises HTTPException with the desk's sentence where it was not accepted."""
    if result.outcome != "accepted":
        raise HTTPException(result.message, status_code=STATUS_OF[result.outcome])
    return Done(message=result.message, undo_until=result.undo_until)


def check_comment(console: Console, comment: str) -> str:
    """The comment, stripped; raises HTTPException 400 for one past ``comment_chars_max``."""
    stripped = comment.strip()
    chars_max = console.settings.comment_chars_max
    if len(stripped) > chars_max:
        raise HTTPException(f"comment: has {len(stripped)} characters, expected at most {chars_max}", status_code=400)
    return stripped
