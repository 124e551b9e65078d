"""The security headers of every response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from console.settings import ConsoleSettings

__all__ = ["REPORT_POLICY", "page_policy", "security_headers"]

REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
"""A report runs scripts of other projects, so it gets an origin of its own, without network and cookies."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def page_policy(settings: ConsoleSettings) -> str:
    """The content security policy of pages: own files only, no inline scripts or styles, no framing."""
    images = " ".join(("'self'", "data:", *settings.image_origins))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; "
        f"img-src {images}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def security_headers(settings: ConsoleSettings) -> Callable[[Message, Scope], Awaitable[None]]:
    """A hook that adds the headers to every response; a header that the handler has set stays."""
    always = {
        **ALWAYS,
        "Content-Security-Policy": page_policy(settings),
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }
    if settings.secure_cookies:
        always["Strict-Transport-Security"] = "max-age=31536000"

    async def before_send(message: Message, _: Scope) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            for name, value in always.items():
                if name not in headers:
                    headers[name] = value

    return before_send
