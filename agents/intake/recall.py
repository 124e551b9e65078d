"""INTAKE's memory of judged events, read from the newest verdicts when partitions are assigned."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
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

RECALLED_MESSAGES_MAX = 200_000
"""The newest messages of verdicts that are read; at a high rate each holds many."""


class Judged(msgspec.Struct, gc=False):
    """The fields of a verdict that name its event."""

    model: str
    event_id: str


def recall(settings: Settings, seen: SeenEvents, partitions: Sequence[AssignedPartition]) -> dict[Partition, int]:
    """Fill ``seen`` with the events judged in the last ``worker.dedupe_span_seconds``.

    Returns no offsets, so that partitions begin where the group had committed. An event's verdict may come from another
    worker, so the verdicts of all workers are read. Raises KafkaUnreachable.
    """
    seen.clear()
    began = time.monotonic()
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
        by_model: dict[str, list[str]] = {}
        for verdict in readable.values:
            by_model.setdefault(verdict.model, []).append(verdict.event_id)
        for model, event_ids in by_model.items():
            seen.recall(identities(event_ids, model_salt(model)), record.timestamp()[1])

    if partitions:
        topics = [VERDICTS, VERDICTS_ACCEPTED]
        messages = read_tail(settings.kafka, topics, since_ms=since_ms, messages_max=RECALLED_MESSAGES_MAX, handle=hear)
        log.info("judged events recalled", events=len(seen), messages=messages, seconds=time.monotonic() - began)
    return {}
