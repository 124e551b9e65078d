"""The console's web server, on the port that ``watchloop up`` holds for it where that started this worker."""

from __future__ import annotations

import functools
from typing import Any

from faust.contrib.asgi import AsgiService

from agents.shared.plan import Listen
from console.settings import ConsoleSettings

__all__ = ["serve_console"]

OPTIONS = {
    "access_log": False,
    "lifespan": "on",
    "proxy_headers": False,  # the console's own setting says whose to believe
}


def serve_console(app: Any, console: Any, settings: ConsoleSettings, listen: Listen | None) -> None:
    """Serve the ASGI application ``console`` while the faust ``app`` runs, on the socket of ``listen`` if given."""

    class ConsoleServer(AsgiService):
        """What faust's ``serve_asgi`` makes; it listens beside the socket that holds the port, where there is one."""

        asgi_app = console
        faust_app = app
        host = settings.host
        port = settings.port
        uvicorn_options = OPTIONS

        def _create_server(self) -> Any:
            server = super()._create_server()
            if listen is not None:
                server.serve = functools.partial(server.serve, sockets=[listen(settings.host, settings.port)])
            return server

    app.web_server(ConsoleServer)
