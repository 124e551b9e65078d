"""Renders the Jinja templates of the pages; everything is escaped, and an unknown name is an error."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from typing import Any, Final

import jinja2
from litestar.template.base import csrf_token

from console.front_end import STATIC
from console.sessions.session import ConsoleRequest
from console.views import wording
from schemas.texts.visible import visible

__all__ = ["page", "seen"]

FOLDER = pathlib.Path(__file__).parent
KEPT: Final = "\n\r\t\u200c\u200d\u200e\u200f"
"""Invisible characters that stay: line ends, and the joiners and marks that scripts and emoji need."""


@functools.cache
def environment() -> jinja2.Environment:
    """The environment of the templates, with the filters of ``wording``."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=seen,
    )
    made.filters.update(wording.FILTERS)
    made.globals["static"] = static_address
    return made


def seen(value: Any) -> Any:
    """A text as a page shows it, with invisible characters and those that change its direction written out.

    Other values stay unchanged.
    """
    return visible(value, keep=KEPT) if type(value) is str else value


@functools.cache
def static_address(name: str) -> str:
    """The address of one of the console's own files, with a hash of its content, so that browsers may keep it."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"


def page(request: ConsoleRequest, template: str, /, **values: Any) -> str:
    """Render a page. In templates ``me`` is the person signed in and ``now`` the time in epoch milliseconds."""
    state = request.app.state
    return (
        environment()
        .get_template(template)
        .render(
            me=request.scope.get("user"),
            now=state.console.clock(),
            settings=state.console.settings,
            csrf=csrf_token({"request": request}),
            path=request.url.path,
            **values,
        )
    )
