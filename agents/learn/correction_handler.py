"""corrections → gate steps and signed snapshots of what may serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agents.learn.learners import Learners
from agents.learn.snapshot_publisher import Flushing, SnapshotPublisher
from agents.shared.log_values import unusable
from agents.shared.model_places import ModelPlaces
from learning.settings import LearnSettings
from learning.snapshots.signing import SigningKey
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
    """The log of corrections, learned. ``handle`` is called by one thread.

    ``load`` says which manifests of LEARN's are the newest on the log, by key: their chunks end when others replace
    them. ``topic_id`` asks for Kafka's id of ``models``, for which manifests are signed.

    The state of a learner is what the log of corrections says: after an assignment the log is read again from its
    beginning (30 days), and what had been committed is learned again without being told again.
    """

    def __init__(
        self,
        settings_of: Callable[[str], LearnSettings],
        prefix: str,
        key: SigningKey,
        *,
        load: Callable[[], dict[str, Manifest]],
        publish_seconds_min: float,
        topic_id: Callable[[], str] = lambda: "",
        places: ModelPlaces | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._prefix = prefix
        self._clock = clock
        self._topic_id = topic_id
        self._snapshots = SnapshotPublisher(key, settings_of, clock=clock)
        self._learners = Learners(
            settings_of, self._snapshots, publish_seconds_min=publish_seconds_min, places=places, clock=clock
        )
        self._committed: dict[int, int] = {}

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Start anew and read from the beginning."""
        self._learners.clear()
        self._snapshots.topic_id = self._topic_id()
        self._snapshots.published = self._load()
        self._committed = {partition.number: partition.committed or 0 for partition in partitions}
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(self, records: Sequence[Record], outbox: Flushing) -> None:
        """One batch, possibly empty: each correction learned or rejected, then what is due is published."""
        for record in records:
            is_new = record.offset() >= self._committed.get(record.partition(), 0)
            try:
                correction = decode(Correction, record.value() or b"")
                self._learners.learn(correction, outbox if is_new else None)
            except StreamsError:
                raise
            except Exception as error:  # noqa: BLE001  # a correction that is none must not end the role: it comes again
                if is_new:
                    by = Rejecter(self._prefix, "learn", int(self._clock() * 1000))
                    reject = reject_of(record, unusable(error), by)
                    outbox.send(REJECTS, record.key() or b"", reject)
        self._learners.publish_due(outbox)
