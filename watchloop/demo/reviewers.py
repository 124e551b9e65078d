"""Simulated reviewers: programs that answer tasks from the true labels, over the API that people use."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import httpx

from watchloop.demo.console_client import ConsoleClient
from watchloop.errors import ConsoleRefused

__all__ = ["SimulatedReviewers", "reviewer_names"]

IDLE_SECONDS = 0.1
TROUBLE_SECONDS = 1.0


def reviewer_names(count: int) -> list[str]:
    """Their accounts; the name says what they are."""
    return [f"simulated-{number}" for number in range(1, count + 1)]


class SimulatedReviewers:
    """Each is like a person with a browser: takes the next task of one model, looks up the truth, answers.

    ``truths`` maps event ids to labels; a task about anything else is skipped, so that a person gets it. Tasks of other
    models are never taken. ``answered`` counts answers taken.
    """

    def __init__(self, url: str, passwords: Mapping[str, str], model: str, truths: Mapping[str, str]) -> None:
        self._url = url
        self._model = model
        self._passwords = passwords
        self._truths = truths
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated reviewers", daemon=True)
        self.answered = 0

    def start(self) -> None:
        """Let them sign in and work, each as a task of one thread's event loop."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(name, password) for name, password in self._passwords.items()))

    async def _one(self, name: str, password: str) -> None:
        while not self._stop.is_set():
            try:
                async with ConsoleClient(self._url, name, password) as console:
                    await self._work(console)
            except (ConsoleRefused, httpx.HTTPError):
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _work(self, console: ConsoleClient) -> None:
        while not self._stop.is_set():
            leased = await console.next_task(self._model)
            if leased is None:
                await asyncio.sleep(IDLE_SECONDS)
                continue
            evidence = leased.task.evidence
            truth = self._truths.get(evidence.event_id) if evidence else None
            if truth is None:
                await console.skip(leased.task.task_id)
            elif await console.answer(leased.task.task_id, truth):
                self.answered += 1
