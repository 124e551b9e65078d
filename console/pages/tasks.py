"""The pages of the queue and of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from litestar import get, post
from litestar.params import Parameter
from litestar.response import Response

from console.api.replies import check_comment, task_or_raise
from console.api.routes import OFFSET_MAX
from console.context import console_of
from console.desk.protocol import ActionResult, LaneCounts, LeasedTask
from console.pages.forms import by_htmx, field, html, seconds_since
from console.sessions.session import ConsoleRequest, needs
from console.templating import page, seen
from console.views.task_view import view_of_task
from schemas.wire.task import Lane

__all__ = ["HANDLERS"]

REVIEWER = [needs("reviewer")]
SAME_TASK_AGAIN = ("not_offered",)

Offset = Annotated[int, Parameter(ge=0, le=OFFSET_MAX)]


@get("/queue", include_in_schema=False, guards=REVIEWER)
async def get_queue(request: ConsoleRequest, lane: Lane | None = None, offset: Offset = 0) -> Response[str]:
    """The lanes with their counts, and one page of tasks."""
    console = console_of(request)
    rows_max = console.settings.page_rows_max
    counts, rows = await asyncio.gather(console.desk.counts(), console.desk.page(lane, offset, rows_max + 1))
    body = page(
        request,
        "queue.html",
        counts=counts,
        rows=rows[:rows_max],
        more=len(rows) > rows_max,
        lane=lane,
        offset=offset,
        rows_max=rows_max,
    )
    return html(body)


@get("/work", include_in_schema=False, guards=REVIEWER)
async def get_work(request: ConsoleRequest) -> Response[str]:
    """The next task, leased to this person, or a page that waits for one."""
    return work(request, await console_of(request).desk.next_task(request.user))


@get("/work/waiting", include_in_schema=False, guards=REVIEWER)
async def get_waiting(request: ConsoleRequest) -> Response[str]:
    """The number of tasks that wait, if one of them can be taken, for the page that waits for one.

    Nothing is announced where this person has skipped or answered all of them: the next page would be this one again.
    It leases no task, because nobody may be sitting in front of that page.
    """
    desk = console_of(request).desk
    counts = await desk.counts()
    waiting = waiting_for(request, counts.lanes) if await desk.has_next(request.user) else 0
    return html(page(request, "_waiting.html", waiting=waiting))


def waiting_for(request: ConsoleRequest, lanes: dict[Lane, LaneCounts]) -> int:
    """The number of tasks that nobody holds, in the lanes in which this person may work."""
    roles = frozenset(request.user.roles)
    return sum(counts.open - counts.leased for counts in lanes.values() if not roles.isdisjoint(counts.roles))


@get("/tasks/{task_id:str}", include_in_schema=False, guards=REVIEWER)
async def get_task_page(request: ConsoleRequest, task_id: str) -> Response[str]:
    """One task, leased to this person if that is possible; 410 if it is closed, 404 if the id is unknown."""
    return work(request, await task_or_raise(console_of(request).desk, task_id, request.user))


@post("/tasks/{task_id:str}/answer", include_in_schema=False, guards=REVIEWER)
async def post_answer(request: ConsoleRequest, task_id: str) -> Response[str]:
    """Record an answer and show the next task."""
    console = console_of(request)
    comment = check_comment(console, await field(request, "comment"))
    seconds_spent = seconds_since(await field(request, "shown_at"), console.clock())
    answer = await field(request, "answer")
    result = await console.desk.answer(task_id, request.user, answer, seconds_spent, comment)
    if result.outcome in SAME_TASK_AGAIN:
        leased = await console.desk.task(task_id, request.user)
        meant = choice_meant(leased.task.choices if leased else (), answer)
        if meant is None:
            return work(request, leased, result)
        result = await console.desk.answer(task_id, request.user, meant, seconds_spent, comment)
    undo = task_id if result.outcome == "accepted" and result.undo_until else ""
    return work(request, await console.desk.next_task(request.user), result, undo)


def choice_meant(choices: Sequence[str], submitted: str) -> str | None:
    """The choice that a submitted text stands for; None if there is none.

    The text may differ: pages write out invisible characters, and browsers change line ends.
    """
    return next((choice for choice in choices if seen(choice).split() == submitted.split()), None)


@post("/tasks/{task_id:str}/skip", include_in_schema=False, guards=REVIEWER)
async def post_skip_form(request: ConsoleRequest, task_id: str) -> Response[str]:
    """Give a task back and show the next one."""
    desk = console_of(request).desk
    result = await desk.skip(task_id, request.user)
    return work(request, await desk.next_task(request.user), result)


@post("/tasks/{task_id:str}/withdraw", include_in_schema=False, guards=REVIEWER)
async def post_take_back(request: ConsoleRequest, task_id: str) -> Response[str]:
    """Take back the last answer and show its task again."""
    desk = console_of(request).desk
    result = await desk.withdraw(task_id, request.user)
    if result.outcome == "accepted":
        return work(request, await desk.task(task_id, request.user), result)
    return work(request, await desk.next_task(request.user), result)


def work(
    request: ConsoleRequest, leased: LeasedTask | None, result: ActionResult | None = None, undo: str = ""
) -> Response[str]:
    """A task, or the page that waits for one; as a whole page, or as the part of it that htmx replaces.

    ``undo`` is the id of the task whose answer can still be taken back, if there is one.
    """
    part = by_htmx(request)
    body = page(
        request,
        "_work.html" if part else "work.html",
        view=view_of_task(leased, console_of(request).settings) if leased else None,
        result=result,
        undo=undo,
        part=part,
    )
    return html(body, headers={"HX-Replace-Url": "/work"} if part else None)


HANDLERS = [get_queue, get_work, get_waiting, get_task_page, post_answer, post_skip_form, post_take_back]
