"""Pages: alerts and their reports."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from litestar import get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Parameter
from litestar.response import Response

from console.api.replies import STATUS_OF, check_comment
from console.api.routes import OFFSET_MAX
from console.context import console_of
from console.desk.protocol import AlertAction
from console.pages.forms import field, html, redirect
from console.security_headers import REPORT_POLICY
from console.sessions.session import ConsoleRequest, needs, signed_in
from console.templating import page
from console.views.evidence_words import evidence_lines, what_changed
from schemas.wire.alert import AlertState

__all__ = ["HANDLERS"]


@get("/alerts", include_in_schema=False, guards=[signed_in])
async def get_alerts(
    request: ConsoleRequest,
    alert_state: Annotated[AlertState | None, Parameter(query="state")] = None,
    offset: Annotated[int, Parameter(ge=0, le=OFFSET_MAX)] = 0,
) -> Response[str]:
    """A page of alerts in their present state, the newest first, of all states or of one."""
    console = console_of(request)
    rows_max = console.settings.page_rows_max
    rows = await console.desk.alerts(alert_state, offset, rows_max + 1)
    body = page(
        request,
        "alerts.html",
        rows=rows[:rows_max],
        more=len(rows) > rows_max,
        state=alert_state,
        offset=offset,
        rows_max=rows_max,
        evidence_lines=evidence_lines,
    )
    return html(body)


@get("/alerts/{alert_id:str}", include_in_schema=False, guards=[signed_in])
async def get_alert_page(request: ConsoleRequest, alert_id: str) -> Response[str]:
    """One alert: its evidence, its history, the actions that are possible, and its report."""
    view = await console_of(request).desk.alert(alert_id)
    if view is None:
        raise NotFoundException(f"alert {alert_id}: there is no such alert")
    may_act = not {"on-call", "admin"}.isdisjoint(request.user.roles)
    changes = [what_changed(before, now) for before, now in zip((None, *view.history), view.history, strict=False)]
    body = page(request, "alert.html", view=view, may_act=may_act, lines=evidence_lines(view.alert), changes=changes)
    return html(body)


@post("/alerts/{alert_id:str}/acknowledge", include_in_schema=False, guards=[needs("on-call")])
async def post_acknowledge(request: ConsoleRequest, alert_id: str) -> Response[str]:
    """Acknowledge an alert, which leaves its task open, and show the alert again."""
    return await act(request, alert_id, "acknowledge")


@post("/alerts/{alert_id:str}/resolve", include_in_schema=False, guards=[needs("on-call")])
async def post_resolve(request: ConsoleRequest, alert_id: str) -> Response[str]:
    """Resolve an alert, because its cause is over or it was a false alarm, and show the alert again."""
    return await act(request, alert_id, "resolve")


async def act(request: ConsoleRequest, alert_id: str, action: AlertAction) -> Response[str]:
    """Act on an alert and show it again; raises HTTPException with the desk's sentence if that is not possible."""
    console = console_of(request)
    comment = check_comment(console, await field(request, "comment"))
    result = await console.desk.alert_action(alert_id, request.user, action, comment)
    if result.outcome != "accepted":
        raise HTTPException(result.message, status_code=STATUS_OF[result.outcome])
    return redirect(f"/alerts/{quote(alert_id, safe='')}")


@get("/reports/{report_id:str}", include_in_schema=False, guards=[signed_in])
async def get_report(request: ConsoleRequest, report_id: str) -> Response[str]:
    """An Evidently report. It may run its own scripts, but has no origin, no cookies and no network."""
    body = await console_of(request).desk.report_html(report_id)
    if body is None:
        raise NotFoundException(f"report {report_id}: there is no such report, or it is no longer kept")
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return html(body, headers=headers)


HANDLERS = [get_alerts, get_alert_page, post_acknowledge, post_resolve, get_report]
