"""Batches of blocks and corrections, and what people say of alerts, for the monitors of this worker."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.drift.alert_answers import AlertAnswers, Said
from agents.drift.monitors import Monitors
from agents.shared.log_values import unusable
from schemas.codec import decode
from schemas.columns.block_rows import AnyBlock
from schemas.json_text.errors import MalformedError
from schemas.topics import BLOCKS, REJECTS
from schemas.wire.alert import EXPECTED_CHANGE, Alert
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference
from schemas.wire.reject import Reject
from streams.blocks.block_reader import read_blocks
from streams.consume.batches import AssignedPartition
from streams.message_limits import MessageLimits
from streams.produce.outbox import Sending
from streams.produce.rejects import ElementRejects, Elements, Rejecter, WholeMessage, reject_of
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
    hold, ``partitions_of`` the number of partitions of predictions. A block that cannot be used becomes a Reject; the
    others of its message count.
    """

    def __init__(
        self,
        monitors: Monitors,
        prefix: str,
        *,
        load: Callable[[], tuple[dict[str, Reference], Iterable[Alert]]],
        partitions_of: Callable[[], int] = lambda: 1,
        limits: MessageLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._monitors = monitors
        self._prefix = prefix
        self._load = load
        self._partitions_of = partitions_of
        self._limits = limits or MessageLimits()
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
            for reject in self._observe(record, outbox):
                outbox.send(REJECTS, reject.source_key, reject)
        self._idle_rounds = 0 if records else self._idle_rounds + 1
        self._do_as_said(outbox)
        self._monitors.take_reports(outbox)
        self._monitors.show()

    def _observe(self, record: Record, outbox: Sending) -> Sequence[Reject]:
        """Have the monitors take what a record holds; returns the Rejects of what cannot be used."""
        by = Rejecter(self._prefix, "drift", int(self._clock() * 1000))
        try:
            values, wrong, elements = self._read(record)
        except Exception as error:  # noqa: BLE001  # a bad record must not end the role: it would come again
            return [reject_of(record, unusable(error), by)]
        rejects = ElementRejects(record, elements, by)
        for index in sorted((*values, *wrong)):
            problem = wrong[index] if index in wrong else self._take(values[index], outbox)
            if problem is not None:
                rejects.refuse(index, problem)
        return rejects.rejects()

    def _read(
        self, record: Record
    ) -> tuple[Mapping[int, AnyBlock | Correction], Mapping[int, MalformedError], Elements]:
        """The values of a record, what is wrong with others, both by index, and its elements."""
        if record.topic() == self._prefix + BLOCKS.name:
            return read_blocks(record, self._limits)
        data = record.value() or b""
        return {0: decode(Correction, data)}, {}, WholeMessage(data)

    def _take(self, value: AnyBlock | Correction, outbox: Sending) -> MalformedError | None:
        """Have the monitors take a value, and send what follows; returns what is wrong with it."""
        try:
            outcomes = self._monitors.outcomes_of(value, outbox)
        except Exception as error:  # noqa: BLE001  # a block that contradicts itself would come again, too
            return unusable(error)
        self._monitors.send(outcomes, outbox)
        return None

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
