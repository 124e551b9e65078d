"""INTAKE's memory of judged events, read from the newest verdicts when partitions are assigned."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import structlog

from agents.settings import Settings
from schemas.codec import decode_readable
from schemas.identities import identities, model_salt
from schemas.json_text.errors import MalformedError
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED
from streams.consume.batches import AssignedPartition
from streams.consume.log_tail import read_tail
from streams.consume.record_guard import current_position
from streams.consume.seen_events import SeenEvents
from streams.records import Partition, Record

__all__ = ["recall"]

log = structlog.get_logger(__name__)

RECALLED_MESSAGES_MAX: Final = 500_000
"""The newest messages of verdicts that are read, of all partitions together; at a high rate each holds many."""

RECALLED_AT_ONCE: Final = 10_000
"""Events that are remembered together: message by message it would take several times as long."""


class Judged(msgspec.Struct, gc=False):
    """The fields of a verdict that name its event."""

    model: str
    event_id: str


class Recalled:
    """Judged events on their way into ``seen``, many at once, in the order in which they were read."""

    def __init__(self, seen: SeenEvents) -> None:
        self._seen = seen
        self._salts = functools.lru_cache(maxsize=1_000)(model_salt)
        self._event_ids: list[str] = []
        self._models: list[str] = []

    def add(self, verdicts: Sequence[Judged], at_ms: int) -> None:
        """Add the events of a message that Kafka received at ``at_ms``."""
        self._event_ids += [verdict.event_id for verdict in verdicts]
        self._models += [verdict.model for verdict in verdicts]
        if len(self._event_ids) >= RECALLED_AT_ONCE:
            self.flush(at_ms)

    def flush(self, at_ms: int) -> None:
        """Remember what was added so far."""
        salts = np.fromiter(map(self._salts, self._models), np.uint64, len(self._models))
        self._seen.recall(identities(self._event_ids, salts), at_ms)
        self._event_ids, self._models = [], []


def recall(settings: Settings, seen: SeenEvents, partitions: Sequence[AssignedPartition]) -> dict[Partition, int]:
    """Fill ``seen`` with the events judged in the last ``worker.dedupe_span_seconds``.

    Returns no offsets, so that partitions begin where the group had committed. An event's verdict may come from another
    worker, so the verdicts of all workers are read, the newest ``RECALLED_MESSAGES_MAX`` messages of them. Raises
    KafkaUnreachable.
    """
    seen.clear()
    began, recalled, newest_ms = time.monotonic(), Recalled(seen), 0
    since_ms = int(time.time() * 1000) - settings.worker.dedupe_span_seconds * 1000

    def hear(record: Record) -> None:
        try:
            readable = decode_readable(Judged, record.value() or b"", settings.worker.message_events_max)
        except MalformedError as error:
            log.warning("verdict not readable", why=error.reason, **current_position())
            return
        if readable.wrong:
            first = next(iter(readable.wrong.values()))
            log.warning("verdict not readable", why=first.reason, **current_position())
        nonlocal newest_ms
        newest_ms = max(newest_ms, record.timestamp()[1])
        recalled.add(readable.values, newest_ms)

    if partitions:
        topics = [VERDICTS, VERDICTS_ACCEPTED]
        messages = read_tail(settings.kafka, topics, since_ms=since_ms, messages_max=RECALLED_MESSAGES_MAX, handle=hear)
        if newest_ms:
            recalled.flush(newest_ms)
        log.info("judged events recalled", events=len(seen), messages=messages, seconds=time.monotonic() - began)
    return {}
