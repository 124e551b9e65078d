"""Reads the forms of the pages, within bounds, and makes the responses of pages."""

from __future__ import annotations

from urllib.parse import quote

from litestar.response import Response

from console.api.payloads import SECONDS_SPENT_MAX
from console.sessions.session import ConsoleRequest

__all__ = ["by_htmx", "field", "html", "redirect", "seconds_since"]

FIELD_CHARS_MAX = 10_000
URI_CHARS = "%:/?#[]@!$&'()*+,;=~"
"""Characters that stay unchanged in an address: reserved ones, and the percent sign of encoded ones."""


async def field(request: ConsoleRequest, name: str) -> str:
    """A text field of the form, cut at ``FIELD_CHARS_MAX``; empty if it is absent."""
    value = (await request.form()).get(name, "")
    return value[:FIELD_CHARS_MAX] if isinstance(value, str) else ""


def seconds_since(shown_at: str, now_ms: int) -> float:
    """The seconds for which a page was shown, at most a day; 0 if ``shown_at`` is not a time.

    ``shown_at`` is the time that was written into the page, in epoch milliseconds.

    >>> seconds_since("1000", 4_500), seconds_since("soon", 4_500)
    (3.5, 0.0)
    """
    if not shown_at.isascii() or not shown_at.isdigit() or len(shown_at) > 15:
        return 0.0
    return min(max(0.0, (now_ms - int(shown_at)) / 1000), float(SECONDS_SPENT_MAX))


def by_htmx(request: ConsoleRequest) -> bool:
    """Whether the request comes from htmx, which wants a part of a page."""
    return request.headers.get("hx-request") == "true"


def html(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Response[str]:
    """A response with a page, or a part of one."""
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def redirect(address: str) -> Response[str]:
    """A redirect (303), which the browser follows with GET.

    Characters that a header cannot carry are percent-encoded (RFC 3986, 3987).
    """
    return Response(
        "",
        status_code=303,
        headers={"Location": quote(address, safe=URI_CHARS, errors="replace")},
        media_type="text/plain",
    )
