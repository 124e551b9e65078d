"""The console's HTTP API from a program: what people do on the pages."""

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
    """One signed-in person. Use it as an async context manager."""

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
        """Open a session; raises ConsoleRefused."""
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
        """The next task of a model, or None."""
        answer = self._check(await self._http.get("/api/tasks/next", params={"model": model}))
        return None if answer.status_code == httpx.codes.NO_CONTENT else _decode(LeasedTask, answer)

    async def answer(self, task_id: str, answer: str, *, seconds_spent: float = 0.0) -> bool:
        """Give an opinion; False where the task is not ours any more."""
        found = await self._http.post(
            f"/api/tasks/{task_id}/opinion", json={"answer": answer, "seconds_spent": seconds_spent}
        )
        if found.status_code in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            return False
        self._check(found)
        return True

    async def skip(self, task_id: str) -> None:
        """Leave a task to others."""
        found = await self._http.post(f"/api/tasks/{task_id}/skip")
        if found.status_code not in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
            self._check(found)

    async def state(self) -> LoopState:
        """Figures of every model and role, as /api/state has them; raises ConsoleRefused."""
        return _decode(LoopState, self._check(await self._http.get("/api/state")))

    async def alerts(self) -> list[Alert]:
        """The alerts raised last, newest first, at most a page of them; raises ConsoleRefused."""
        return _decode(list[Alert], self._check(await self._http.get("/api/alerts")))

    def _check(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            detail = answer.json().get("detail", answer.reason_phrase)
        except ValueError:
            detail = answer.reason_phrase
        raise ConsoleRefused(f"{self.url}: {answer.status_code} for {self.person}: {detail}")


def _decode(kind: type[T], answer: httpx.Response) -> T:
    return msgspec.json.decode(answer.content, type=kind)
