"""A loop in a thread: what ends it ends the worker, and is told once, in words."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from streams.errors import SlotTaken
from streams.service import ThreadLoop


@pytest.mark.parametrize(
    ("error", "is_traced"), [(SlotTaken("another worker took over slot '0'"), False), (KeyError("unforeseen"), True)]
)
def test_only_what_nobody_foresaw_is_told_with_a_traceback(error: Exception, *, is_traced: bool) -> None:
    """An error that says what to do is one line in the log; a defect of the program leaves its trace."""

    def body(_stop: threading.Event) -> None:
        raise error

    async def run() -> ThreadLoop:
        loop = ThreadLoop("intake", body, told=(SlotTaken,))
        async with asyncio.timeout(20):
            await loop.start()
            await loop._crashed.wait()
            await loop.stop()
        return loop

    with capture_logs() as logs:
        loop = asyncio.run(run())
    assert loop.failure is error
    (told,) = [entry for entry in logs if entry["event"] == "loop failed"]
    assert told["error"] == str(error)
    assert bool(told["exc_info"]) is is_traced
