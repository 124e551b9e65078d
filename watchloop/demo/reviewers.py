"""Simulated reviewers: they answer tasks with the true labels, through the console's API."""

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
    """The account ids of ``count`` simulated reviewers.

    >>> reviewer_names(2)
    ['simulated-1', 'simulated-2']
    """
    return [f"simulated-{number}" for number in range(1, count + 1)]


class SimulatedReviewers:
    """Reviewers of one model, in one thread: each signs in, takes the next task, and answers with its true label.

    ``passwords`` has the accounts, ``truths`` the true labels by event id. A task about another event is skipped, so
    that a person gets it. ``answered`` counts the answers that the console accepted.
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
        """Start the thread, whose event loop runs every reviewer."""
        self._thread.start()

    def stop(self) -> None:
        """Let every reviewer finish the present task, and wait for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._review_as(name, password) for name, password in self._passwords.items()))

    async def _review_as(self, name: str, password: str) -> None:
        while not self._stop.is_set():
            try:
                async with ConsoleClient(self._url, name, password) as console:
                    await self._answer_tasks(console)
            except (ConsoleRefused, httpx.HTTPError):
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _answer_tasks(self, console: ConsoleClient) -> None:
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
