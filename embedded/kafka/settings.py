"""Settings of the embedded Kafka."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_order

__all__ = ["MESSAGE_BYTES_MAX_DEFAULT", "EmbeddedKafkaSettings"]

MIB: Final = 1024 * 1024
MESSAGE_BYTES_MAX_DEFAULT: Final = 4 * MIB
"""Largest message that clients send, in bytes, unless the program that starts the nodes says otherwise."""


class EmbeddedKafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the Kafka that the program starts itself."""

    nodes: Literal[1, 3] = 1
    """Brokers; three survive the loss of one."""

    open_listener: bool = True
    """Whether a plain address on loopback is open, where anybody may write predictions and labels and read verdicts and
    rejects, and nothing else, without a password; if it is closed, producers sign in as ``producer``."""

    open_connections_max: Annotated[int, Meta(ge=10, le=100_000)] = 200
    """Connections at once to the plain address of one node; one more waits until another ends."""

    heap_mb_max: Annotated[int, Meta(ge=192, le=16_384)] = 384
    """Largest Java heap of one node, MiB; a node that outgrows it ends, with the reason in its log."""

    log_retention_bytes: Annotated[int, Meta(ge=16 * MIB, le=1024 * 1024 * MIB)] = 1024 * MIB
    """Disk bound of one partition of a topic that is not kept forever; beyond it the oldest segments are deleted."""

    segment_bytes: Annotated[int, Meta(ge=8 * MIB, le=1024 * MIB)] = 32 * MIB
    """Size of one log file; after a kill -9 only the unfinished ones are read again."""

    log_file_bytes_max: Annotated[int, Meta(ge=64 * 1024, le=1024 * MIB)] = 2 * MIB
    """Size at which a node's own log begins a new file; two old ones are kept."""

    start_seconds_max: Annotated[float, Meta(gt=0, le=3600)] = 180.0
    """How long a start may take before it counts as failed."""

    stop_seconds_max: Annotated[float, Meta(gt=0, le=3600)] = 20.0
    """How long a stop may take before the process is killed."""

    def __post_init__(self) -> None:
        require_order(self, ("segment_bytes", "log_retention_bytes"))
