"""The plan of a worker: what each role adds to it, and what all roles make in the same way."""

from __future__ import annotations

import dataclasses
import pathlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from agents.settings import Settings
from agents.shared.groups import GROUPS
from agents.shared.metrics import timed
from agents.shared.model_places import ModelPlaces
from schemas.topics import Topic
from streams.admin.topics import topic_ids
from streams.consume.batches import AssignedPartition, BatchSettings, GroupBatches, Handler
from streams.errors import StreamsError
from streams.message_limits import MessageLimits
from streams.produce.outbox import Outbox
from streams.records import Partition
from streams.thread_loop import ThreadLoop
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError

__all__ = ["WORKER_ROLES", "Listen", "Plan", "WorkerRole"]

WorkerRole = Literal["intake", "drift", "desk", "learn", "record"]
WORKER_ROLES: tuple[WorkerRole, ...] = ("intake", "drift", "desk", "learn", "record")
Listen = Callable[[str, int], socket.socket]
"""Makes a socket that listens on a host and a port."""
EXPLAINED: Final = (StreamsError, WarehouseError)
"""Errors whose text says what went wrong, where, and what to do: the log needs no traceback of them."""

STEADY: Final = BatchSettings(events_max=2_000, wait_seconds=0.2)
"""For groups that read at their own pace."""


@dataclasses.dataclass(slots=True)
class Plan:
    """What a worker is made of before it starts. ``slot`` names the worker among those with the same roles.

    The ``loops`` run in threads of the faust ``app``. ``console_socket`` is None where the console binds its port
    itself.
    """

    settings: Settings
    app: Any
    slot: str
    console_socket: Listen | None = None
    loops: list[ThreadLoop] = dataclasses.field(default_factory=list)

    def of(self, role: WorkerRole) -> Plan:
        """The same plan with Kafka clients that sign in as one role. Loops added to either are in both."""
        kafka = self.settings.kafka.as_user(role)
        return dataclasses.replace(self, settings=msgspec.structs.replace(self.settings, kafka=kafka))

    @property
    def data(self) -> pathlib.Path:
        """The data folder of this installation."""
        return pathlib.Path(self.settings.worker.data)

    @property
    def message_limits(self) -> MessageLimits:
        """What one message may hold: the same for INTAKE, RECORD and LEARN, which read the same messages."""
        return MessageLimits(self.settings.kafka.message_bytes_max, self.settings.worker.message_events_max)

    def add_loop(self, name: str, body: Callable[[threading.Event], None]) -> ThreadLoop:
        """Run ``body`` in a thread of its own once the worker starts."""
        loop = ThreadLoop(name, body, stop_seconds_max=self.settings.worker.stop_seconds_max, explained=EXPLAINED)
        self.loops.append(loop)
        return loop

    def batches(
        self,
        group: str,
        handle: Handler[Outbox],
        *,
        on_assign: Callable[[list[AssignedPartition]], dict[Partition, int]] | None = None,
        batch: BatchSettings = STEADY,
    ) -> GroupBatches:
        """Batches of a group's topics (``GROUPS``) for ``handle``, timed on /metrics under the group's name."""
        return GroupBatches(
            self.settings.kafka,
            group=group,
            topics=GROUPS[group],
            handle=timed(group, handle),
            on_assign=on_assign,
            batch=batch,
        )

    def model_places(self) -> ModelPlaces:
        """Places for the states of models: ``worker.models_max``, and one for each configured model."""
        return ModelPlaces(self.settings.worker.models_max, self.settings.models)

    def topic_ids(self, topics: Sequence[Topic]) -> dict[str, str]:
        """Kafka's id of each topic by its name without prefix. Raises KafkaUnreachable."""
        return topic_ids(self.settings.kafka, topics)

    def warehouse(self) -> Warehouse:
        """A new connection to ClickHouse."""
        return Warehouse(self.settings.clickhouse)
