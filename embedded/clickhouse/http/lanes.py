"""The lane of one user: a bound on the queries that run, on those that wait, and on the bytes held for them.

Each user has a lane with threads of its own, so that the requests of one user do not delay those of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from embedded.clickhouse.http.protocol import RefusedRequest

__all__ = ["Admission", "Lane"]

T = TypeVar("T")


class Admission:
    """One request that a lane has let in, from its first byte to the last byte of its answer."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.bytes_held = 0

    def hold(self, size: int) -> None:
        """Count bytes that are kept for this request; raises RefusedRequest where the lane would hold too many."""
        if self._lane.bytes_held + size > self._lane.bytes_max:
            reason = (
                f"Requests and answers of {self._lane.user} hold more than {self._lane.named}_buffered_bytes_max "
                f"({self._lane.bytes_max}); try later."
            )
            raise RefusedRequest(202, "TOO_MANY_SIMULTANEOUS_QUERIES", reason)
        self.bytes_held += size
        self._lane.bytes_held += size


class Lane:
    """The requests and threads of one user; the names of the user's settings begin with ``named``."""

    def __init__(self, user: str, handles: int, waiting_max: int, bytes_max: int, named: str = "") -> None:
        self.user = user
        self.named = named or user
        self.bytes_max = bytes_max
        self.queries_max = handles + waiting_max
        self.queries = 0
        self.bytes_held = 0
        self.pool = ThreadPoolExecutor(handles, thread_name_prefix=f"clickhouse-{user}")

    @contextmanager
    def admit(self) -> Iterator[Admission]:
        """Let one request in; raises RefusedRequest where too many are in the lane."""
        if self.queries >= self.queries_max:
            reason = (
                f"Too many simultaneous queries of {self.user}. Maximum: {self.queries_max}, "
                f"{self.named}_handles and waiting_queries_max together."
            )
            raise RefusedRequest(202, "TOO_MANY_SIMULTANEOUS_QUERIES", reason)
        admission = Admission(self)
        self.queries += 1
        try:
            yield admission
        finally:
            self.queries -= 1
            self.bytes_held -= admission.bytes_held

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread of the lane, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)
