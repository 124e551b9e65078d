"""The page with the state of the loop."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from console.context import console_of
from console.pages.forms import html
from console.sessions.session import ConsoleRequest, signed_in
from console.templating import page

__all__ = ["HANDLERS"]


@get("/loop", include_in_schema=False, guards=[signed_in])
async def get_loop(request: ConsoleRequest) -> Response[str]:
    """Every figure with its meaning; the page requests itself again and replaces the figures."""
    return html(page(request, "loop.html", loop=await console_of(request).desk.loop_state()))


HANDLERS = [get_loop]
