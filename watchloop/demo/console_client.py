"""A client of the console's HTTP API, which does what a person does on the pages."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

import httpx
import msgspec
import stamina

from console.desk.protocol import LeasedTask, LoopState
from schemas.wire.alert import Alert
from watchloop.errors import ConsoleRefused

__all__ = ["ConsoleClient"]

T = TypeVar("T")

SECONDS_MAX = 30.0
CSRF_HEADER = "x-csrftoken"


class ConsoleClient:
    """The session of one person, as an async context manager that signs in."""

    def __init__(self, url: str, person: str, password: str) -> None:
        self.url = url
        self.person = person
        self._password = password
        self._http = httpx.AsyncClient(base_url=url, timeout=SECONDS_MAX, trust_env=False)

    async def __aenter__(self) -> ConsoleClient:
        await self.sign_in()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def sign_in(self) -> None:
        """Open a session, waiting up to ``SECONDS_MAX`` for the console to answer. Raises ConsoleRefused."""
        async for attempt in stamina.retry_context(on=httpx.TransportError, attempts=None, timeout=SECONDS_MAX):
            with attempt:
                await self._refresh_csrf()
        answer = await self._http.post("/api/session", json={"person": self.person, "password": self._password})
        self._check(answer)
        await self._refresh_csrf()

    async def _refresh_csrf(self) -> None:
        session = self._check(await self._http.get("/api/session"))
        self._http.headers[CSRF_HEADER] = session.json()["csrf_token"]

    async def next_task(self, model: str) -> LeasedTask | None:
        """Lease the next task of a model; None where there is none. Raises ConsoleRefused."""
        response = self._check(await self._http.get("/api/tasks/next", params={"model": model}))
        return None if response.status_code == httpx.codes.NO_CONTENT else _decode(LeasedTask, response)

    async def answer(self, task_id: str, answer: str, *, seconds_spent: float = 0.0) -> bool:
        """Answer a task; False where this person no longer holds it. Raises ConsoleRefused."""
        response = await self._http.post(
            f"/api/tasks/{task_id}/opinion", json={"answer": answer, "seconds_spent": seconds_spent}
        )
        if response.status_code in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            return False
        self._check(response)
        return True

    async def skip(self, task_id: str) -> None:
        """Leave a task to other people; no error where this person no longer holds it. Raises ConsoleRefused."""
        response = await self._http.post(f"/api/tasks/{task_id}/skip")
        if response.status_code not in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            self._check(response)

    async def state(self) -> LoopState:
        """The figures of every model and role. Raises ConsoleRefused."""
        return _decode(LoopState, self._check(await self._http.get("/api/state")))

    async def alerts(self) -> list[Alert]:
        """The first page of alerts, newest first. Raises ConsoleRefused."""
        return _decode(list[Alert], self._check(await self._http.get("/api/alerts")))

    def _check(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        try:
            detail = response.json().get("detail", response.reason_phrase)
        except ValueError:
            detail = response.reason_phrase
        raise ConsoleRefused(f"{self.url}: {response.status_code} for {self.person}: {detail}")


def _decode(value_type: type[T], response: httpx.Response) -> T:
    return msgspec.json.decode(response.content, type=value_type)
