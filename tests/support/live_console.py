"""The console over the live desk: everything but Kafka and ClickHouse is what runs in production."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

import argon2
import msgspec
from litestar import Litestar
from litestar.testing import TestClient

from agents.desk.desk_state import DeskState
from agents.desk.live_desk import LiveDesk
from agents.desk.loop_watch import LoopFigures
from agents.settings import Settings
from console.app import create_app
from console.settings import ConsoleSettings
from schemas.codec import encode
from schemas.topics import Topic
from schemas.wire.base import Wire
from schemas.wire.person import Person

BEGIN_MS = 1_772_000_000_000
PASSWORD = "a quiet demand of power"
SECRET = "a secret of the tests, forty characters long"
ORIGIN = "http://127.0.0.1"


class Clock:
    """Epoch milliseconds, moved by the test."""

    ms = BEGIN_MS

    def __call__(self) -> int:
        return self.ms


class StillWatch:
    """A watch whose figures never change."""

    figures = LoopFigures()

    async def report_html(self, report_id: str) -> str | None:
        return None


@functools.cache
def password_hash() -> str:
    """A hash that is cheap to check, so that tests are quick."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


def person(person_id: str, *roles: str, **changes: Any) -> Person:
    return msgspec.structs.replace(
        Person(person_id=person_id, roles=roles, password_hash=password_hash(), changed_at=BEGIN_MS),  # type: ignore[arg-type]
        **changes,
    )


class LiveConsole:
    """A console, its desk's state, and what the desk has sent to the log."""

    def __init__(self, settings: Settings | None = None, **console: Any) -> None:
        self.clock = Clock()
        self.state = DeskState.new(settings or Settings(), self.clock, lambda _key, _manifest: True)
        self.sent: list[tuple[str, str, Wire | None]] = []
        self.app: Litestar = create_app(
            LiveDesk(self.state, StillWatch(), self._send),  # type: ignore[arg-type]
            settings=ConsoleSettings(**({"secret": SECRET} | console)),
            metrics=lambda: b"watchloop_up 1\n",
            clock=self.clock,
            signed_out=self.state.signed_out,
        )
        for user in (person("wilhelmina", "reviewer"), person("ottokar", "reviewer"), person("ada", "admin")):
            self.state.hear_person(encode(user))

    async def _send(self, topic: Topic, key: str, value: Wire | None) -> None:
        self.sent.append((topic.name, key, value))

    @contextlib.contextmanager
    def visit(self, person_id: str = "") -> Iterator[Visitor]:
        """A client of the console, signed in if a person is named."""
        with TestClient(self.app, base_url=ORIGIN, raise_server_exceptions=False) as client:
            visitor = Visitor(client)
            if person_id:
                visitor.sign_in(person_id)
            yield visitor


class Visitor:
    """A browser of the API: keeps cookies, sends the CSRF token."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self.client = client
        self.client.follow_redirects = False
        self.client.headers["x-csrftoken"] = self.client.get("/api/session").json()["csrf_token"]

    def sign_in(self, person_id: str) -> None:
        answer = self.client.post("/api/session", json={"person": person_id, "password": PASSWORD})
        assert answer.status_code == 200, answer.text


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Every method and path template of the console: ``("GET", "/tasks/{task_id}")``."""
    for route in app.routes:
        for method in sorted(getattr(route, "methods", ())):
            if method != "OPTIONS":
                yield method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
