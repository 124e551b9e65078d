"""DESK's way from and to the log: records for the event loop, and messages that wait while Kafka takes none."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError

from schemas.codec import encode
from schemas.topics import CORRECTIONS, REVIEW_ALERTS, REVIEW_EVENTS, REVIEW_OPINIONS, SIGN_OUTS, Topic
from schemas.wire.base import Wire
from schemas.wire.sign_out import SignOut
from streams.app import raw_topic
from streams.consume.log_reader import LogReader
from streams.consume.record_guard import guarded
from streams.records import Record
from streams.settings import KafkaSettings

__all__ = ["Relay", "Sender"]

log = structlog.get_logger(__name__)

SENT_AT_ONCE_MAX = 500
SIGN_OUT_SECONDS_MAX = 10.0
"""How long a sign-out waits for Kafka. Then the person reads that it does not last yet."""
UNSENT_MAX = 100_000
"""Messages kept while Kafka takes none; beyond it people's answers are refused."""


class Relay:
    """Hands records from the thread that reads them to the event loop, the only thread that touches the desk's state.

    Until ``attach`` is called, while the desk reads the log up to its end, records are handled in the reading thread.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._attached = threading.Event()

    async def attach(self) -> None:
        """From now on, hand records to the event loop that runs this."""
        self._loop = asyncio.get_running_loop()
        self._attached.set()

    def to(self, hear: Callable[[Record], None]) -> Callable[[Record], None]:
        """A listener for the reading thread that has ``hear`` called in the right thread."""
        hear_or_leave_out = guarded(hear)

        def relay(record: Record) -> None:
            if self._loop is None:
                hear_or_leave_out(record)
            else:
                self._loop.call_soon_threadsafe(hear_or_leave_out, record)

        return relay

    def run(self, reader: LogReader, stop: threading.Event) -> None:
        """Read on, once the event loop runs, until ``stop`` is set."""
        while not self._attached.wait(0.1):
            if stop.is_set():
                return
        reader.run(stop)


Unsent = tuple[Topic, str, bytes | None]
"""The topic, key and bytes of a message that waits."""


class Sender:
    """Writes to the log through faust. Messages that Kafka does not take are kept, in order, and sent again later."""

    def __init__(self, app: Any, kafka: KafkaSettings) -> None:
        self._topics = {
            topic.name: raw_topic(app, kafka, topic)
            for topic in (REVIEW_EVENTS, REVIEW_ALERTS, REVIEW_OPINIONS, CORRECTIONS, SIGN_OUTS)
        }
        self._unsent: deque[Unsent] = deque()
        self._lock = asyncio.Lock()

    async def send(self, topic: Topic, key: str, value: Wire | None) -> None:
        """Send a value behind those that wait; returns once Kafka has it, or once it is kept for later.

        Raises ConnectionError at ``UNSENT_MAX``.
        """
        self.put(topic, key, value)
        await self.flush()

    def put(self, topic: Topic, key: str, value: Wire | None) -> Unsent:
        """Queue a value for the next flush; None makes a tombstone. Raises ConnectionError at ``UNSENT_MAX``."""
        if len(self._unsent) >= UNSENT_MAX:
            raise ConnectionError("Kafka takes nothing at the moment; nothing was changed, try again later")
        self._unsent.append((topic, key, None if value is None else encode(value)))
        return self._unsent[-1]

    async def send_sign_out(self, sign_out: SignOut) -> None:
        """Send the end of a session; returns once Kafka has it.

        Raises ConnectionError where Kafka does not take it within ``SIGN_OUT_SECONDS_MAX``; it is then kept for later.
        """
        unsent = self.put(SIGN_OUTS, sign_out.person, sign_out)
        try:
            await asyncio.wait_for(asyncio.shield(self.flush()), SIGN_OUT_SECONDS_MAX)
        except TimeoutError as error:
            raise ConnectionError("Kafka does not answer") from error
        if any(waiting is unsent for waiting in self._unsent):
            raise ConnectionError("Kafka takes nothing at the moment")

    @property
    def is_behind(self) -> bool:
        """Whether so many messages wait that nobody should make more."""
        return len(self._unsent) >= UNSENT_MAX // 2

    async def flush(self) -> None:
        """Send the messages that wait, oldest first, up to ``SENT_AT_ONCE_MAX`` at a time.

        If one fails, it and all behind it stay.
        """
        async with self._lock:
            while self._unsent:
                batch = list(itertools.islice(self._unsent, SENT_AT_ONCE_MAX))
                try:
                    waits = [
                        await self._topics[topic.name].send(key=key.encode(), value=data) for topic, key, data in batch
                    ]
                    for wait in waits:
                        await wait
                        self._unsent.popleft()
                except (FaustError, OSError, KafkaError) as error:
                    log.error("Kafka did not take a message, it is kept", waiting=len(self._unsent), why=str(error))
                    return
