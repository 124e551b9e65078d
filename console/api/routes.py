"""The HTTP API: what people do on the pages, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, Parameter
from litestar.response import Response
from litestar.template.base import csrf_token

from console.api.payloads import (
    EXAMPLES,
    CommentBody,
    Done,
    OpinionBody,
    PersonView,
    Problem,
    SessionView,
    SignInBody,
    view_of,
)
from console.api.replies import check_comment, done_or_raise, task_or_raise
from console.context import console_of
from console.desk.protocol import AlertView, LeasedTask, LoopState, QueueCounts, TaskSummary
from console.sessions.session import ConsoleRequest, end_session, needs, sign_in, signed_in
from schemas.wire.alert import Alert, AlertState
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.task import Lane

__all__ = ["OFFSET_MAX", "api_router"]

OFFSET_MAX = 1_000_000

Offset = Annotated[int, Parameter(ge=0, le=OFFSET_MAX, description="Rows to leave out.")]
OfModel = Annotated[str | None, Parameter(max_length=NAME_CHARS_MAX, description="Only tasks of this model.")]


def refusals(**lines: str) -> dict[int, ResponseSpec]:
    """Documents the errors of an operation, by status: ``s409="…"`` describes the status 409."""
    return {
        int(status[1:]): ResponseSpec(
            Problem, description=line, media_type="application/problem+json", generate_examples=False
        )
        for status, line in lines.items()
    }


SIGN_IN_FIRST = "Nobody is signed in."
MALFORMED = "The request is malformed; the line says which field is wrong."
NO_SUCH_TASK = "There is no open task of this id; settled and expired ones are in ClickHouse, in `tasks_now`."
OVER = "The task is settled or has expired; ClickHouse has it, in `tasks_now`. The desk forgets old tasks: then 404."
WHOSE_TIMES = (
    "`raised_at` and `told_at` are the clock's: when the alert began to fire, and when this state was published."
    " `fired_at` and `judged_until` are times of the stream, and so is `changed_at` unless a person made the change."
    " For the signal `error` these three are times of corrections, by the clock."
)
HIDDEN = (
    "For a task of the audit lane, the fields about the model's prediction are null and its reasons are empty until"
    " this person has answered (`model_hidden`). After answering, a person may ask for the task again until it is"
    " settled; once they have seen the prediction, their answer is final."
)
CONFLICT = "The lease has run out, or the task is settled already."


@get(
    "/session",
    summary="Who is signed in",
    description="Needs no session; sets the CSRF cookie. Programs begin here.",
    operation_id="getSession",
    tags=["session"],
)
async def get_session(request: ConsoleRequest) -> SessionView:
    """The person who is signed in, if any, and the CSRF token."""
    person = request.user
    return SessionView(person=view_of(person) if person else None, csrf_token=csrf_token({"request": request}))


@post(
    "/session",
    status_code=200,
    summary="Sign in",
    description="Opens a session, which is kept in a cookie.",
    operation_id="signIn",
    tags=["session"],
    responses=refusals(
        s400=MALFORMED,
        s401="Person or password is wrong.",
        s429="Too many failures; Retry-After says how long to wait.",
    ),
)
async def post_session(
    request: ConsoleRequest, data: Annotated[SignInBody, Body(examples=[EXAMPLES["sign in"]])]
) -> PersonView:
    """Sign in with a password; raises 401 if the person or the password is wrong."""
    person = await sign_in(request, data.person, data.password)
    if person is None:
        raise NotAuthorizedException("person or password is wrong")
    return view_of(person)


@delete(
    "/session",
    summary="Sign out",
    description="Ends the session for good, if there is one; `everywhere` ends all sessions of the person.",
    operation_id="signOut",
    tags=["session"],
    responses=refusals(s400=MALFORMED, s503="Signed out, but a restart may forget it."),
)
async def delete_session(request: ConsoleRequest, everywhere: bool = False) -> None:
    """End the session, or all sessions of this person."""
    await end_session(request, everywhere=everywhere)


@get(
    "/queue",
    guards=[signed_in],
    summary="Open tasks by lane",
    operation_id="getQueueCounts",
    tags=["tasks"],
    responses=refusals(s401=SIGN_IN_FIRST),
)
async def get_counts(request: ConsoleRequest) -> QueueCounts:
    """The number of open, leased and overdue tasks in each lane."""
    return await console_of(request).desk.counts()


@get(
    "/tasks",
    guards=[needs("reviewer")],
    summary="One page of open tasks",
    description="In the order in which they are handed out, `page_rows_max` at most.",
    operation_id="listTasks",
    tags=["tasks"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST),
)
async def list_tasks(request: ConsoleRequest, lane: Lane | None = None, offset: Offset = 0) -> tuple[TaskSummary, ...]:
    """A page of the open tasks of one lane, or of all lanes."""
    console = console_of(request)
    return await console.desk.page(lane, offset, console.settings.page_rows_max)


@get(
    "/tasks/next",
    guards=[needs("reviewer")],
    summary="Take the next task",
    description=(
        "Leases it to the person signed in. Further calls return the same task until it is answered or skipped. With"
        " `model`, only tasks of that model are offered, but a task that this person holds already comes first."
        f" {HIDDEN}"
    ),
    operation_id="takeNextTask",
    tags=["tasks"],
    responses={
        204: ResponseSpec(None, description="There is no task for this person."),
        **refusals(s400=MALFORMED, s401=SIGN_IN_FIRST, s403="The person is no reviewer."),
    },
)
async def next_task(request: ConsoleRequest, model: OfModel = None) -> Response[LeasedTask | None]:
    """The next task of this person, or 204 without one."""
    leased = await console_of(request).desk.next_task(request.user, model)
    return Response(leased, status_code=204 if leased is None else 200)


@get(
    "/tasks/{task_id:str}",
    guards=[needs("reviewer")],
    summary="Take one task",
    description=f"Leases it if that is possible; otherwise `leased_until` is 0 and `note` says why. {HIDDEN}",
    operation_id="getTask",
    tags=["tasks"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST, s404=NO_SUCH_TASK, s410=OVER),
)
async def get_task(request: ConsoleRequest, task_id: str) -> LeasedTask:
    """One task as this person may see it."""
    return await task_or_raise(console_of(request).desk, task_id, request.user)


@post(
    "/tasks/{task_id:str}/opinion",
    guards=[needs("reviewer")],
    status_code=200,
    summary="Answer a task",
    operation_id="answerTask",
    tags=["tasks"],
    responses=refusals(
        s400=f"The answer is none of the task's choices. {MALFORMED}",
        s401=SIGN_IN_FIRST,
        s404=NO_SUCH_TASK,
        s409=CONFLICT,
    ),
)
async def post_opinion(
    request: ConsoleRequest, task_id: str, data: Annotated[OpinionBody, Body(examples=[EXAMPLES["opinion"]])]
) -> Done:
    """Record this person's opinion on a task that they hold."""
    console = console_of(request)
    comment = check_comment(console, data.comment)
    return done_or_raise(await console.desk.answer(task_id, request.user, data.answer, data.seconds_spent, comment))


@post(
    "/tasks/{task_id:str}/skip",
    guards=[needs("reviewer")],
    status_code=200,
    summary="Give a task back",
    description="It is offered to others, and not to this person again.",
    operation_id="skipTask",
    tags=["tasks"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST, s404=NO_SUCH_TASK, s409=CONFLICT),
)
async def post_skip(request: ConsoleRequest, task_id: str) -> Done:
    """Give a task back for this person."""
    return done_or_raise(await console_of(request).desk.skip(task_id, request.user))


@post(
    "/tasks/{task_id:str}/withdraw",
    guards=[needs("reviewer")],
    status_code=200,
    summary="Take back the last answer",
    description="This person holds the task again.",
    operation_id="withdrawAnswer",
    tags=["tasks"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST, s404=NO_SUCH_TASK, s409="It is too late."),
)
async def post_withdraw(request: ConsoleRequest, task_id: str) -> Done:
    """Take back this person's last answer to the task."""
    return done_or_raise(await console_of(request).desk.withdraw(task_id, request.user))


@get(
    "/alerts",
    guards=[signed_in],
    summary="Alerts",
    description=f"In their present state, newest first, `page_rows_max` at most. {WHOSE_TIMES}",
    operation_id="listAlerts",
    tags=["alerts"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST),
)
async def list_alerts(
    request: ConsoleRequest,
    alert_state: Annotated[AlertState | None, Parameter(query="state", description="Only alerts in it.")] = None,
    offset: Offset = 0,
) -> tuple[Alert, ...]:
    """A page of alerts, of all states or of one."""
    console = console_of(request)
    return await console.desk.alerts(alert_state, offset, console.settings.page_rows_max)


@get(
    "/alerts/{alert_id:str}",
    guards=[signed_in],
    summary="One alert with its history",
    description=f"Its report is at `/reports/{{report_id}}`. {WHOSE_TIMES}",
    operation_id="getAlert",
    tags=["alerts"],
    responses=refusals(s400=MALFORMED, s401=SIGN_IN_FIRST, s404="There is no such alert."),
)
async def get_alert(request: ConsoleRequest, alert_id: str) -> AlertView:
    """One alert with all its revisions; raises 404 if there is none."""
    view = await console_of(request).desk.alert(alert_id)
    if view is None:
        raise NotFoundException(f"alert {alert_id}: there is no such alert")
    return view


ALERT_REFUSALS = refusals(
    s400=MALFORMED,
    s401=SIGN_IN_FIRST,
    s403="The person is not on call.",
    s404="There is no such alert.",
    s409="The alert is in another state already.",
)


@post(
    "/alerts/{alert_id:str}/acknowledge",
    guards=[needs("on-call")],
    status_code=200,
    summary="Acknowledge an alert",
    description="Somebody looks into it. Its task stays open, and it no longer counts as firing.",
    operation_id="acknowledgeAlert",
    tags=["alerts"],
    responses=ALERT_REFUSALS,
)
async def acknowledge(
    request: ConsoleRequest, alert_id: str, data: Annotated[CommentBody, Body(examples=[EXAMPLES["comment"]])]
) -> Done:
    """Acknowledge an alert in the name of this person."""
    console = console_of(request)
    comment = check_comment(console, data.comment)
    return done_or_raise(await console.desk.alert_action(alert_id, request.user, "acknowledge", comment))


@post(
    "/alerts/{alert_id:str}/resolve",
    guards=[needs("on-call")],
    status_code=200,
    summary="Resolve an alert",
    description="Its cause is over, or it was a false alarm. Its task ends.",
    operation_id="resolveAlert",
    tags=["alerts"],
    responses=ALERT_REFUSALS,
)
async def resolve(
    request: ConsoleRequest, alert_id: str, data: Annotated[CommentBody, Body(examples=[EXAMPLES["comment"]])]
) -> Done:
    """Resolve an alert in the name of this person."""
    console = console_of(request)
    comment = check_comment(console, data.comment)
    return done_or_raise(await console.desk.alert_action(alert_id, request.user, "resolve", comment))


@get(
    "/state",
    guards=[signed_in],
    summary="The state of the loop",
    operation_id="getLoopState",
    tags=["loop"],
    responses=refusals(s401=SIGN_IN_FIRST),
)
async def get_state(request: ConsoleRequest) -> LoopState:
    """The figures of every model and role."""
    return await console_of(request).desk.loop_state()


def api_router() -> Router:
    """The router of all routes under /api, each with its own guard."""
    handlers: list[Any] = [
        get_session, post_session, delete_session,
        get_counts, list_tasks, next_task, get_task, post_opinion, post_skip, post_withdraw,
        list_alerts, get_alert, acknowledge, resolve, get_state,
    ]  # fmt: skip
    return Router("/api", route_handlers=handlers)
