"""The console: a Litestar application over a desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from console.api.openapi import openapi_config
from console.api.routes import api_router
from console.context import Console, StoreSignOut, keep_in_memory
from console.desk.protocol import Desk
from console.front_end import STATIC, check_front_end
from console.host_check import HostCheck
from console.monitoring import get_health, get_metrics
from console.pages import alerts, loop, sign_in, tasks
from console.problems import on_deep_nesting, on_failure, on_http_error, on_unreachable
from console.request import CheckedRequest
from console.security_headers import security_headers
from console.sessions import passwords
from console.sessions.cookies import send_device_cookie
from console.sessions.session import ConsoleRequest, PersonMiddleware, session_config
from console.sessions.signed_out import SignedOut
from console.settings import ConsoleSettings

__all__ = ["create_app"]

PAGES = (*sign_in.HANDLERS, *tasks.HANDLERS, *alerts.HANDLERS, *loop.HANDLERS)


def wall_clock() -> int:
    """The time in epoch milliseconds, by the machine's clock."""
    return time.time_ns() // 1_000_000


def create_app(
    desk: Desk,
    *,
    settings: ConsoleSettings,
    metrics: Callable[[], bytes] | None,
    clock: Callable[[], int] = wall_clock,
    signed_out: SignedOut | None = None,
    store_sign_out: StoreSignOut = keep_in_memory,
) -> Litestar:
    """The console for this desk, as an ASGI application.

    ``metrics`` returns Prometheus text for /metrics, which answers 404 without it. ``clock`` returns epoch
    milliseconds.
    ``signed_out`` holds the sessions that have ended; ``store_sign_out`` stores a sign-out so that a restart knows it.
    Raises FrontEndMissing if the package was not built.
    """
    console = Console(
        desk=desk,
        settings=settings,
        metrics=metrics,
        clock=clock,
        signed_out=SignedOut(settings.session_seconds_max) if signed_out is None else signed_out,
        store_sign_out=store_sign_out,
    )
    app = Litestar(
        route_handlers=[api_router(), *PAGES, get_health, get_metrics, static_router()],
        state=State({"console": console}),
        middleware=[session_config(console).middleware, DefineMiddleware(PersonMiddleware, exclude=["^/static/"])],
        csrf_config=csrf_config(console),
        before_send=[security_headers(settings), send_device_cookie],
        exception_handlers={
            HTTPException: on_http_error,
            ConnectionError: on_unreachable,
            RecursionError: on_deep_nesting,
            Exception: on_failure,
        },
        openapi_config=openapi_config(),
        request_class=CheckedRequest,
        request_max_body_size=settings.body_bytes_max,
        on_startup=[warm_passwords],
        logging_config=None,
        debug=False,
    )
    # Outermost, so that a request with a foreign or unreadable Host header reaches no other code.
    app.asgi_handler = HostCheck(app.asgi_handler, settings)
    if settings.trusted_proxies:
        app.asgi_handler = ProxyHeadersMiddleware(app.asgi_handler, list(settings.trusted_proxies))  # type: ignore[arg-type, assignment]
    return app


def csrf_config(console: Console) -> CSRFConfig:
    """Requests that change something need the token of the CSRF cookie, in a header or in the form."""
    return CSRFConfig(
        secret=console.key("csrf").hex(),
        cookie_name=console.cookie_name("csrf"),
        cookie_secure=console.settings.secure_cookies,
        cookie_httponly=True,
        cookie_samesite="strict",
        exclude=["^/static/"],
    )


def static_router() -> Any:
    """The console's own files. Their addresses contain a hash of the content, so browsers may keep them."""
    check_front_end()
    names = frozenset(file.relative_to(STATIC).as_posix() for file in STATIC.rglob("*") if file.is_file())

    def refuse_others(request: ConsoleRequest) -> None:
        """Answer 404 unless the file is known: no text from a request reaches the file system."""
        if str(request.path_params["file_path"]).lstrip("/") not in names:
            raise NotFoundException

    return create_static_files_router(
        path="/static",
        directories=[STATIC],
        before_request=refuse_others,
        include_in_schema=False,
        after_request=keep_for_long,
        name="static",
    )


def keep_for_long(response: Any) -> Any:
    """The response with a header that lets browsers keep it for a year."""
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


async def warm_passwords() -> None:
    """Make the hash that passwords of unknown people are checked against, so that the first check is not slower."""
    await asyncio.to_thread(passwords.hash_of_nobody)
