"""The description of the API: as an OpenAPI document for programs, and as a page for people."""

from __future__ import annotations

from typing import Any

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from console.sessions.session import ConsoleRequest
from console.templating import page

__all__ = ["openapi_config"]

DESCRIPTION = (
    "What reviewers and people on call do, for programs. Begin with GET /api/session, keep its cookies, and send its "
    "csrf_token in the header x-csrftoken of every request that changes something. "
    "Errors are problem details (RFC 9457)."
)


class SchemaPage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one plain page, without scripts of others."""

    def render(self, request: ConsoleRequest, openapi_schema: dict[str, Any]) -> bytes:
        """The page as UTF-8; its template reads the OpenAPI document, so nothing is fetched from elsewhere."""
        return page(request, "schema.html", title="HTTP API", schema=openapi_schema).encode()


def openapi_config() -> OpenAPIConfig:
    """OpenAPI 3.1: /schema for people, /schema/openapi.json for programs."""
    return OpenAPIConfig(
        title="watchloop",
        version="1",
        description=DESCRIPTION,
        path="/schema",
        render_plugins=[SchemaPage(path="/"), JsonRenderPlugin()],
        use_handler_docstrings=True,
    )
