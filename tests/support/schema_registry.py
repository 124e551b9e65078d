"""A schema registry over HTTP, as much of one as a producer and watchloop use: register, look up, get by id."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.support.paths import ROOT

JSON_SCHEMA = (ROOT / "schemas" / "json" / "predictions.json").read_text()
AVRO_SCHEMA = json.dumps({"type": "record", "name": "Prediction", "fields": [{"name": "event_id", "type": "string"}]})


class SchemaRegistry:
    """Schemas by id, and what was asked. ``wait_seconds`` delays every answer, ``status`` replaces every one."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, str]] = {}
        self.asked: list[str] = []
        self.credentials = ""
        self.wait_seconds = 0.0
        self.status: int | None = None
        self.url = ""

    def add(self, schema: str, schema_type: str) -> int:
        """The id of a schema, the one it has if it is there; Avro is what a schema is that says nothing."""
        entry = {"schema": schema} if schema_type == "AVRO" else {"schema": schema, "schemaType": schema_type}
        for schema_id, known in self.schemas.items():
            if known == entry:
                return schema_id
        self.schemas[len(self.schemas) + 1] = entry
        return len(self.schemas)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer with a status and JSON."""
        match [method, *path.strip("/").split("/")]:
            case ["GET", "schemas", "ids", schema_id]:
                entry = self.schemas.get(int(schema_id))
                return (200, dict(entry)) if entry else (404, {"error_code": 40403, "message": "Schema not found"})
            case ["POST", "subjects", _subject, "versions"]:
                return 200, {"id": self.add(body["schema"], body.get("schemaType", "AVRO"))}
            case ["POST", "subjects", subject]:
                schema_id = self.add(body["schema"], body.get("schemaType", "AVRO"))
                return 200, {"subject": subject, "id": schema_id, "version": 1, **self.schemas[schema_id]}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


@contextlib.contextmanager
def serving(registry: SchemaRegistry, port: int = 0) -> Iterator[str]:
    """The registry's address while it is up."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply()

        def do_POST(self) -> None:
            self.reply()

        def reply(self) -> None:
            path = self.path.partition("?")[0]
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            registry.asked.append(f"{self.command} {path}")
            time.sleep(registry.wait_seconds)
            expected = f"Basic {base64.b64encode(registry.credentials.encode()).decode()}"
            if registry.credentials and self.headers.get("Authorization") != expected:
                status, answer = 401, {"error_code": 401, "message": "Unauthorized"}
            elif registry.status is not None:
                status, answer = registry.status, {"message": "<html>"}
            else:
                status, answer = registry.answer(self.command, path, body)
            data = json.dumps(answer).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        registry.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield registry.url
        finally:
            server.shutdown()
            thread.join()
