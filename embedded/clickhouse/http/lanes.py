"""The queries of one user: so many at once, so many waiting, so many bytes held for them; one more is refused.

Each user has a lane and threads of its own, so that what one of them sends keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from embedded.clickhouse.http.protocol import RefusedRequest

__all__ = ["Lane", "Place"]

T = TypeVar("T")


class Place:
    """A request's place in a lane, from its first byte to the last of its answer."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.bytes_held = 0

    def hold(self, size: int) -> None:
        """Count bytes that are kept for this request; raises RefusedRequest where the lane holds too many."""
        if self._lane.bytes_held + size > self._lane.bytes_max:
            reason = (
                f"Requests and answers of {self._lane.user} hold more than {self._lane.named}_buffered_bytes_max "
                f"({self._lane.bytes_max}); try later."
            )
            raise RefusedRequest(202, "TOO_MANY_SIMULTANEOUS_QUERIES", reason)
        self.bytes_held += size
        self._lane.bytes_held += size


class Lane:
    """The places and threads of one user; ``named`` is how the names of the user's settings begin."""

    def __init__(self, user: str, handles: int, waiting_max: int, bytes_max: int, named: str = "") -> None:
        self.user = user
        self.named = named or user
        self.bytes_max = bytes_max
        self.queries_max = handles + waiting_max
        self.queries = 0
        self.bytes_held = 0
        self.pool = ThreadPoolExecutor(handles, thread_name_prefix=f"clickhouse-{user}")

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for one request; raises RefusedRequest where there is none."""
        if self.queries >= self.queries_max:
            reason = (
                f"Too many simultaneous queries of {self.user}. Maximum: {self.queries_max}, "
                f"{self.named}_handles and waiting_queries_max together."
            )
            raise RefusedRequest(202, "TOO_MANY_SIMULTANEOUS_QUERIES", reason)
        place = Place(self)
        self.queries += 1
        try:
            yield place
        finally:
            self.queries -= 1
            self.bytes_held -= place.bytes_held

    async def run(self, work: Callable[[], T]) -> T:
        """Do this in a thread of the lane."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)
