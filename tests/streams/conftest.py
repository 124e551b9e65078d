"""What tests of streams share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.batch_loops import Running
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def running() -> Iterator[Callable[[Callable[[threading.Event], None]], Running]]:
    """Starts loops, and ends them whatever happens."""
    started: list[Running] = []

    def start(body: Callable[[threading.Event], None]) -> Running:
        started.append(Running(body))
        return started[-1]

    yield start
    for runner in started:
        runner.stop.set()
    for runner in started:
        runner.thread.join(PATIENCE_SECONDS)
