"""INTAKE's memory of judged events, read from the newest verdicts when partitions are assigned."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import structlog

from agents.settings import Settings
from schemas.codec import decode_readable
from schemas.columns.coded import Coded
from schemas.identities import identities, model_salt
from schemas.json_text.errors import MalformedError
from schemas.topics import VERDICTS, VERDICTS_ACCEPTED
from streams.arrow.mark import is_stream
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


JudgedEvents = tuple[Any, list[str] | Coded[str]]
"""Ids of events, as ``identities`` takes them, and the model of each."""


class Recalled:
    """Judged events on their way into ``seen``, many at once, in the order in which they were read."""

    def __init__(self, seen: SeenEvents) -> None:
        self._seen = seen
        self._salts = functools.lru_cache(maxsize=1_000)(model_salt)
        self._event_ids: list[str] = []
        self._models: list[str] = []

    def add(self, judged: JudgedEvents, at_ms: int) -> None:
        """Add the events of a message that Kafka received at ``at_ms``."""
        event_ids, models = judged
        if isinstance(models, Coded):
            self.flush(at_ms)
            salts = np.array(list(map(self._salts, models.values)), np.uint64)[models.codes]
            self._seen.recall(identities(event_ids, salts), at_ms)
            return
        self._event_ids += event_ids
        self._models += models
        if len(self._event_ids) >= RECALLED_AT_ONCE:
            self.flush(at_ms)

    def flush(self, at_ms: int) -> None:
        """Remember what was added so far."""
        if not self._event_ids:
            return
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
            judged = _judged(record.value() or b"", settings.worker.message_events_max)
        except MalformedError as error:
            log.warning("verdict not readable", why=error.reason, **current_position())
            return
        nonlocal newest_ms
        newest_ms = max(newest_ms, record.timestamp()[1])
        recalled.add(judged, newest_ms)

    if partitions:
        topics = [VERDICTS, VERDICTS_ACCEPTED]
        messages = read_tail(settings.kafka, topics, since_ms=since_ms, messages_max=RECALLED_MESSAGES_MAX, handle=hear)
        if newest_ms:
            recalled.flush(newest_ms)
        log.info("judged events recalled", events=len(seen), messages=messages, seconds=time.monotonic() - began)
    return {}


def _judged(data: bytes, elements_max: int) -> JudgedEvents:
    """The events of a message's verdicts; raises MalformedError."""
    if is_stream(data):
        from schemas.columns.read_verdicts import events_of  # slow to import, and not always needed
        from streams.verdicts.arrow_messages import verdict_rows

        rows = verdict_rows(data)
        _tell_first(rows.wrong)
        return events_of(rows.batch)
    readable = decode_readable(Judged, data, elements_max)
    _tell_first(readable.wrong)
    return [verdict.event_id for verdict in readable.values], [verdict.model for verdict in readable.values]


def _tell_first(wrong: Mapping[int, MalformedError]) -> None:
    if wrong:
        log.warning("verdict not readable", why=next(iter(wrong.values())).reason, **current_position())
