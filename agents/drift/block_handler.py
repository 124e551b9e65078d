"""Batches of blocks and corrections, and what people say of alerts, for the monitors of this worker."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from agents.drift.alert_answers import AlertAnswers, Said
from agents.drift.monitors import Monitors
from agents.shared.log_values import unusable
from schemas.codec import decode
from schemas.topics import BLOCKS, REJECTS
from schemas.wire.alert import EXPECTED_CHANGE, Alert
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference
from streams.consume.batches import AssignedPartition
from streams.produce.outbox import Sending
from streams.produce.rejects import Rejecter, reject_of
from streams.records import Partition, Record

__all__ = ["BlockHandler"]

SAID_KEPT_MAX = 10_000
"""What people said of models that another worker has, or whose blocks are still being read; beyond it the oldest is
forgotten."""
IDLE_ROUNDS = 25
"""After so many batches without a record, all blocks that the log has of a model have been read."""


class BlockHandler:
    """Hands blocks and corrections to ``monitors``. One thread calls ``handle``; another calls methods of ``people``.

    Blocks and corrections are read again from the start of their retention after every assignment; alerts and
    references that were sent before are not sent again. ``load`` returns what the topics of references and alerts
    hold, ``partitions_of`` the number of partitions of predictions.
    """

    def __init__(
        self,
        monitors: Monitors,
        prefix: str,
        *,
        load: Callable[[], tuple[dict[str, Reference], Iterable[Alert]]],
        partitions_of: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._monitors = monitors
        self._prefix = prefix
        self._load = load
        self._partitions_of = partitions_of
        self._clock = clock
        self.people = AlertAnswers()
        self._said: deque[Said] = deque(maxlen=SAID_KEPT_MAX)
        self._idle_rounds = 0
        self._has_all_partitions = False

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Start anew from the topics of references and alerts; returns offset 0 of each partition."""
        references, alerts = self._load()
        count = self._partitions_of()
        self._monitors.start(references, alerts, partitions=count)
        self._has_all_partitions = sum(partition.topic == BLOCKS.name for partition in partitions) >= count
        self._idle_rounds = 0
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, possibly empty: blocks and corrections, then what people said, then reports that are done."""
        for record in records:
            try:
                outcomes = self._monitors.outcomes_of(self._decoded(record), outbox)
            except Exception as error:  # noqa: BLE001  # a bad block must not end the role: it would come again
                by = Rejecter(self._prefix, "drift", int(self._clock() * 1000))
                outbox.send(REJECTS, record.key() or b"", reject_of(record, unusable(error), by))
                continue
            self._monitors.send(outcomes, outbox)
        self._idle_rounds = 0 if records else self._idle_rounds + 1
        self._do_as_said(outbox)
        self._monitors.take_reports(outbox)
        self._monitors.show()

    def _decoded(self, record: Record) -> Block | Correction:
        data = record.value() or b""
        is_block = record.topic() == self._prefix + BLOCKS.name
        return decode(Block, data) if is_block else decode(Correction, data)

    def _do_as_said(self, outbox: Sending) -> None:
        """Do what people said, once it can be done. Every worker hears it; the one that has the model acts."""
        waiting, self._said = [*self._said, *self.people.take()], deque(maxlen=SAID_KEPT_MAX)
        for said in waiting:
            alert = self._monitors.alerts.of_task(said.task_id)
            if alert is None or (said.is_answer and alert.answer):
                continue
            if self._can_act(alert, said):
                self._monitors.act(alert, said, outbox)
            else:
                self._said.append(said)

    def _can_act(self, alert: Alert, said: Said) -> bool:
        """Whether the model is this worker's and, where the newest windows shall be normal, they have been read."""
        monitor = self._monitors.by_model.get(alert.model)
        if monitor is None and not self._has_all_partitions:
            return False
        if not (said.is_answer and said.text == EXPECTED_CHANGE) or self._idle_rounds >= IDLE_ROUNDS:
            return True
        return monitor is not None and monitor.has_read(alert)
