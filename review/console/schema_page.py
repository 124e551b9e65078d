"""The API's description for people, without a file from anywhere else."""

from __future__ import annotations

from typing import Any

from litestar.openapi.plugins import OpenAPIRenderPlugin

from review.console.session import ConsoleRequest
from review.console.templating import page

__all__ = ["SchemaPage"]


class SchemaPage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one plain page."""

    def render(self, request: ConsoleRequest, openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        return page(request, "schema.html", title="HTTP API", schema=openapi_schema).encode()
