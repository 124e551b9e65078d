"""Routes for monitoring: whether the console is alive, and its metrics for Prometheus."""

from __future__ import annotations

from litestar import get
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.response import Response

from console.context import console_of
from console.host_check import is_loopback_address
from console.sessions.session import ConsoleRequest

__all__ = ["get_health", "get_metrics"]

FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@get("/healthz", include_in_schema=False)
async def get_health() -> dict[str, str]:
    """Answer as long as the event loop runs; neither Kafka nor ClickHouse is asked."""
    return {"status": "ok"}


@get("/metrics", include_in_schema=False)
async def get_metrics(request: ConsoleRequest) -> Response[bytes]:
    """Prometheus metrics, for loopback and for admins, or for everybody if ``metrics_everywhere`` is set."""
    console = console_of(request)
    if console.metrics is None:
        raise NotFoundException("this process collects no metrics")
    allowed = console.settings.metrics_everywhere or is_loopback(request) or is_admin(request)
    if not allowed:
        raise PermissionDeniedException("metrics: for loopback and admins only; see the setting metrics_everywhere")
    return Response(console.metrics(), media_type=PROMETHEUS_TEXT)


def is_admin(request: ConsoleRequest) -> bool:
    """Whether an admin is signed in."""
    return request.user is not None and "admin" in request.user.roles


def is_loopback(request: ConsoleRequest) -> bool:
    """Whether the request comes from this machine and was not forwarded by a proxy on it."""
    forwarded = not FORWARDED.isdisjoint(request.headers.keys())
    return not forwarded and request.client is not None and is_loopback_address(request.client.host)
