"""The API's description for people, without a file from anywhere else."""

from __future__ import annotations

from typing import Any

from litestar.openapi.plugins import OpenAPIRenderPlugin

from console.pages.templating import page
from console.sessions.session import ConsoleRequest

__all__ = ["SchemaPage"]


class SchemaPage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one plain page."""

    def render(self, request: ConsoleRequest, openapi_schema: dict[str, Any]) -> bytes:
        """The page as UTF-8; its template reads the OpenAPI document, so nothing is fetched from elsewhere."""
        return page(request, "schema.html", title="HTTP API", schema=openapi_schema).encode()
