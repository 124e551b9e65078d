"""What the program hands to the embedded Kafka: a client of its nodes, and a decision whether a start goes on.

The nodes get their users and access control lists over the network, which takes a Kafka client. This room has none; the
program that starts the nodes hands one in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

__all__ = ["Access", "OwnerClient", "Waiting"]

T = TypeVar("T")


class OwnerClient(Protocol):
    """A client of one node, which the node lets do everything."""

    def brokers_answering(self, pause_seconds: float) -> int:
        """How many brokers the node knows of; 0, after a pause, while the node does not answer."""

    def set_access(self) -> None:
        """Give the cluster its users and access control lists. An error ends the start."""

    def has_access(self) -> bool:
        """Whether the node goes by the lists already; each node gets them a moment after they are set."""


class Access(Protocol):
    """The users of the cluster, and what they may do there."""

    @property
    def passwords(self) -> Mapping[str, str]:
        """Each user's password."""

    def client(self, bootstrap: str, config: Mapping[str, str]) -> OwnerClient:
        """A client of the node at ``bootstrap``, which signs in by ``config``, librdkafka's settings."""


class Waiting:
    """Decides, while a start waits, whether it goes on; this class never ends it."""

    def check(self) -> None:
        """Called at least once a second; an exception that it raises ends the start."""

    def wait_for(self, work: Callable[[], T]) -> T:
        """Returns or raises what ``work`` does. ``work`` may take long, and may run outside the main thread."""
        return work()
