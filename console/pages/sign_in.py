"""The pages for signing in and out."""

from __future__ import annotations

from litestar import get, post
from litestar.exceptions import TooManyRequestsException
from litestar.response import Response

from console.pages.forms import field, html, redirect
from console.sessions.session import ConsoleRequest, end_session, sign_in
from console.templating import page

__all__ = ["HANDLERS", "safe_next"]

HOME = "/queue"


def safe_next(address: str) -> str:
    """The address to go to after signing in, if it is one of this console; else the first page.

    >>> safe_next("/tasks/t-1"), safe_next("//evil.example")
    ('/tasks/t-1', '/queue')
    """
    local = address.startswith("/") and not address.startswith(("//", "/sign-")) and "\\" not in address
    return address if local and address.isprintable() else HOME


@get("/", include_in_schema=False)
async def get_root() -> Response[str]:
    """Redirect to the first page, the queue."""
    return redirect(HOME)


@get("/sign-in", include_in_schema=False)
async def get_sign_in(request: ConsoleRequest) -> Response[str]:
    """The form for person and password; a person who is signed in already is redirected."""
    target = safe_next(request.query_params.get("next", HOME))
    if request.user is not None:
        return redirect(target)
    return html(page(request, "sign_in.html", target=target, line="", person=""))


@post("/sign-in", include_in_schema=False)
async def post_sign_in(request: ConsoleRequest) -> Response[str]:
    """Sign in and redirect to the address that was asked for; or show the form again, with the reason."""
    person_id = (await field(request, "person")).strip()[:200]
    target = safe_next(await field(request, "next"))
    try:
        person = await sign_in(request, person_id, await field(request, "password"))
    except TooManyRequestsException as error:
        form = page(request, "sign_in.html", target=target, line=error.detail, person=person_id)
        return html(form, 429, dict(error.headers or {}))
    if person is None:
        line = "person or password is wrong"
        return html(page(request, "sign_in.html", target=target, line=line, person=person_id), 401)
    return redirect(target)


@post("/sign-out", include_in_schema=False)
async def post_sign_out(request: ConsoleRequest) -> Response[str]:
    """End the session, or all sessions of this person if the form has the field ``everywhere``."""
    await end_session(request, everywhere=bool(await field(request, "everywhere")))
    return redirect("/sign-in")


HANDLERS = [get_root, get_sign_in, post_sign_in, post_sign_out]
