"""What a worker is made of, before it starts."""

from __future__ import annotations

import dataclasses
import pathlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from agents.settings import Settings
from streams.errors import StreamsError
from streams.service import ThreadLoop
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError

__all__ = ["ROLES", "Listen", "Plan", "Role"]

Role = Literal["intake", "drift", "desk", "learn", "record"]
ROLES: tuple[Role, ...] = ("intake", "drift", "desk", "learn", "record")
Listen = Callable[[str, int], socket.socket]
"""A host and a port to a socket that listens there."""
TOLD = (StreamsError, WarehouseError)
"""Errors whose text says what, where, and what to do."""


@dataclasses.dataclass(slots=True)
class Plan:
    """What a worker is made of: ``slot`` names it among those of its roles, ``loops`` run in threads of ``app``.

    ``console_socket`` is None where the console binds its port itself.
    """

    settings: Settings
    app: Any
    slot: str
    console_socket: Listen | None = None
    loops: list[ThreadLoop] = dataclasses.field(default_factory=list)

    def of(self, role: Role) -> Plan:
        """The same worker, its clients those of one role: what is added there is added here."""
        kafka = self.settings.kafka.as_user(role)
        return dataclasses.replace(self, settings=msgspec.structs.replace(self.settings, kafka=kafka))

    @property
    def data(self) -> pathlib.Path:
        """The folder of this installation."""
        return pathlib.Path(self.settings.worker.data)

    def add_loop(self, name: str, body: Callable[[threading.Event], None]) -> ThreadLoop:
        """Run ``body`` in a thread of its own."""
        loop = ThreadLoop(name, body, stop_seconds_max=self.settings.worker.stop_seconds_max, told=TOLD)
        self.loops.append(loop)
        return loop

    def warehouse(self) -> Warehouse:
        """A connection of its own to ClickHouse."""
        return Warehouse(self.settings.clickhouse)
