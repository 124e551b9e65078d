"""The console's web server, on the port that ``watchloop up`` holds for it where that started this worker."""

from __future__ import annotations

import functools
import os
from typing import Any

from faust.contrib.asgi import AsgiService

from agents.orphans import PARENT_VARIABLE
from review.console.settings import ConsoleSettings
from schemas.held_ports import listen_on_held_port

__all__ = ["serve_console"]

OPTIONS = {
    "access_log": False,
    "lifespan": "on",
    "proxy_headers": False,  # the console's own setting says whose to believe
}


def serve_console(app: Any, console: Any, settings: ConsoleSettings) -> None:
    """Serve the ASGI application ``console`` for as long as the faust ``app`` runs."""

    class ConsoleServer(AsgiService):
        """What faust's ``serve_asgi`` makes; it listens beside the socket that holds the port, where there is one."""

        asgi_app = console
        faust_app = app
        host = settings.host
        port = settings.port
        uvicorn_options = OPTIONS

        def _create_server(self) -> Any:
            server = super()._create_server()
            if os.environ.get(PARENT_VARIABLE):
                listening = listen_on_held_port(settings.host, settings.port)
                server.serve = functools.partial(server.serve, sockets=[listening])
            return server

    app.web_server(ConsoleServer)
