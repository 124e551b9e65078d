"""Forms of the pages, read and bounded."""

from __future__ import annotations

from urllib.parse import quote

from litestar.response import Response

from console.api.payloads import SECONDS_SPENT_MAX
from console.sessions.session import ConsoleRequest

__all__ = ["by_htmx", "field", "html", "redirect", "seconds_since"]

FIELD_CHARS_MAX = 10_000
URI_CHARS = "%:/?#[]@!$&'()*+,;=~"
"""What stays as it is in an address: reserved characters, and percent signs of what is encoded already."""


async def field(request: ConsoleRequest, name: str) -> str:
    """A text field of the form, empty where it is absent; cut at ``FIELD_CHARS_MAX``."""
    value = (await request.form()).get(name, "")
    return value[:FIELD_CHARS_MAX] if isinstance(value, str) else ""


def seconds_since(shown_at: str, now_ms: int) -> float:
    """How long a page was looked at, from the time written into it; 0 where that is no time, a day at most."""
    if not shown_at.isascii() or not shown_at.isdigit() or len(shown_at) > 15:
        return 0.0
    return min(max(0.0, (now_ms - int(shown_at)) / 1000), float(SECONDS_SPENT_MAX))


def by_htmx(request: ConsoleRequest) -> bool:
    """Whether a part of a page is wanted, not a whole one."""
    return request.headers.get("hx-request") == "true"


def html(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Response[str]:
    """A page or a part of one."""
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def redirect(address: str) -> Response[str]:
    """See other: the browser goes on with GET. What a header cannot carry is percent-encoded (RFC 3986, 3987)."""
    return Response(
        "",
        status_code=303,
        headers={"Location": quote(address, safe=URI_CHARS, errors="replace")},
        media_type="text/plain",
    )
