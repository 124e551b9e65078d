"""Batches of corrections: each is learned or rejected, and what follows from it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agents.learn.learners import Learners
from agents.learn.snapshot_publisher import Flushing, SnapshotPublisher
from agents.shared.log_values import unusable
from schemas.codec import decode
from schemas.topics import REJECTS
from schemas.wire.correction import Correction
from schemas.wire.manifest import Manifest
from streams.consume.batches import AssignedPartition
from streams.errors import StreamsError
from streams.produce.rejects import Rejecter, reject_of
from streams.records import Partition, Record

__all__ = ["CorrectionHandler"]


class CorrectionHandler:
    """Hands corrections to ``learners``. One thread calls ``handle``.

    A learner's state is what the log of corrections makes it: after every assignment the log is read again from its
    beginning (30 days). Corrections before the committed offset are learned again, and nothing is sent of them.

    Before that, ``publisher``, by which the learners publish, is given LEARN's newest manifests on the log by key
    (``load``) and Kafka's id of ``models`` (``topic_id``), for which manifests are signed.
    """

    def __init__(
        self,
        learners: Learners,
        publisher: SnapshotPublisher,
        prefix: str,
        *,
        load: Callable[[], dict[str, Manifest]],
        topic_id: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._learners = learners
        self._publisher = publisher
        self._prefix = prefix
        self._load = load
        self._topic_id = topic_id
        self._clock = clock
        self._committed: dict[int, int] = {}

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Start anew; returns offset 0 of each partition."""
        self._learners.clear()
        self._publisher.topic_id = self._topic_id()
        self._publisher.published = self._load()
        self._committed = {partition.number: partition.committed or 0 for partition in partitions}
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(self, records: Sequence[Record], outbox: Flushing) -> None:
        """One batch, possibly empty: learn or reject each correction, then publish what is due."""
        for record in records:
            is_new = record.offset() >= self._committed.get(record.partition(), 0)
            try:
                correction = decode(Correction, record.value() or b"")
                self._learners.learn(correction, outbox if is_new else None)
            except StreamsError:
                raise
            except Exception as error:  # noqa: BLE001  # a bad correction must not end the role: it would come again
                if is_new:
                    by = Rejecter(self._prefix, "learn", int(self._clock() * 1000))
                    reject = reject_of(record, unusable(error), by)
                    outbox.send(REJECTS, record.key() or b"", reject)
        self._learners.publish_due(outbox)
