"""Errors as people and programs see them: one clear line, without a traceback."""

from __future__ import annotations

import http
import logging
from typing import Any
from urllib.parse import quote

from litestar.exceptions import HTTPException, NotFoundException, PermissionDeniedException
from litestar.response import Response

from console.sessions.session import ConsoleRequest
from console.templating import page

__all__ = ["on_deep_nesting", "on_failure", "on_http_error", "on_unreachable", "plain_line", "problem"]

logger = logging.getLogger(__name__)

QUERY_NAMES = {"alert_state": "state"}  # the framework keeps the name `state` for itself
PROBLEM_TYPE = "application/problem+json"
CSRF_REFUSED = "CSRF token verification failed"
CSRF_LINE = (
    "this page is out of date; reload it and try again "
    "(programs: send csrf_token of GET /api/session in the header x-csrftoken, with its cookie)"
)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response[dict[str, Any]]:
    """Problem details (RFC 9457). ``type`` is left out, which means that the status is the type of the problem."""
    body = {"status": status, "title": http.HTTPStatus(status).phrase, "detail": detail}
    return Response(body, status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def plain_line(error: HTTPException, path: str) -> str:
    """What is wrong with a request, and in which field, in one line."""
    if isinstance(error, PermissionDeniedException) and error.detail == CSRF_REFUSED:
        return CSRF_LINE
    if isinstance(error.extra, list) and error.extra:
        return "; ".join(line_of(item) for item in error.extra)
    if isinstance(error, NotFoundException) and error.detail == http.HTTPStatus.NOT_FOUND.phrase:
        return f"nothing is at {path}"
    return error.detail.strip() or http.HTTPStatus(error.status_code).phrase


def line_of(item: Any) -> str:
    """One entry of a validation error, ``{message, key, source}``, as text."""
    if not isinstance(item, dict):
        return str(item)
    key, message = str(item.get("key", "")), str(item.get("message", ""))
    return f"{QUERY_NAMES.get(key, key)}: {message}" if key else message


def on_http_error(request: ConsoleRequest, error: HTTPException) -> Response[Any]:
    """The response to an error that a handler raised, or that the framework found in the request."""
    return answer_of(request, error.status_code, plain_line(error, request.url.path), dict(error.headers or {}))


def on_unreachable(request: ConsoleRequest, error: ConnectionError) -> Response[Any]:
    """The response while Kafka or ClickHouse does not answer; the error says what that means."""
    return answer_of(request, 503, str(error) or "something the console needs does not answer; try again later", {})


def on_deep_nesting(request: ConsoleRequest, error: RecursionError) -> Response[Any]:
    """The response to JSON that nests deeper than Python can follow; only the body of a request can do that."""
    if request.method in ("GET", "HEAD"):
        return on_failure(request, error)
    return answer_of(request, 400, "the request's JSON is nested too deeply", {})


def on_failure(request: ConsoleRequest, error: Exception) -> Response[Any]:
    """The response to an unexpected error, which is logged with its traceback."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer_of(request, 500, "something failed here; the program's log has the details", {})


def answer_of(request: ConsoleRequest, status: int, line: str, headers: dict[str, str]) -> Response[Any]:
    """The response to an error: problem details for programs; for people a page, or a redirect to the sign-in."""
    path = request.url.path
    if path.startswith(("/api/", "/schema")) or "application/json" in request.headers.get("accept", ""):
        return problem(status, line, headers)
    by_htmx = request.headers.get("hx-request") == "true"
    if status == http.HTTPStatus.UNAUTHORIZED:
        target = "/sign-in" if request.method != "GET" else f"/sign-in?next={quote(next_of(request))}"
        if by_htmx:
            return Response("", status_code=status, headers={"HX-Redirect": target})
        return Response("", status_code=303, headers={"Location": target})
    if by_htmx:
        return Response(line, status_code=status, media_type="text/plain", headers=headers)
    body = page(request, "error.html", status=status, title=http.HTTPStatus(status).phrase, line=line)
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def next_of(request: ConsoleRequest) -> str:
    """The address that was asked for, to go there after the sign-in."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
