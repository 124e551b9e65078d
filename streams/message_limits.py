"""How large a message may be, checked before it is decoded."""

from __future__ import annotations

import dataclasses
from typing import Final

from schemas.codec import MalformedError
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT

__all__ = [
    "MESSAGE_EVENTS_MAX_DEFAULT",
    "PREDICTION_BYTES_MAX",
    "MessageLimits",
    "TooManyElementsError",
    "prediction_bytes_max",
]

PREDICTION_BYTES_MAX: Final = 1024 * 1024
"""A larger prediction is rejected: a task and a correction carry its features, and they must fit into a message too."""

MESSAGE_EVENTS_MAX_DEFAULT: Final = 10_000
"""Predictions in one message: at 400 bytes each as many as 4 MiB hold, fifty times what the producer packs."""


@dataclasses.dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one message may hold: ``bytes_max`` as it comes from the Kafka client, unpacked if it travelled compressed,
    and ``events_max`` elements of an array or rows of an Arrow stream. One beyond is refused as a whole, undecoded.
    """

    bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT
    events_max: int = MESSAGE_EVENTS_MAX_DEFAULT

    def check_bytes(self, size: int) -> None:
        """Raises MalformedError where a message of ``size`` bytes, unpacked, is larger than it may be."""
        if size > self.bytes_max:
            raise MalformedError(
                f"{size} bytes once unpacked; a message may have {self.bytes_max} (kafka.message_bytes_max)"
            )

    def check_elements(self, count: int, what: str = "elements; a message") -> None:
        """Raises TooManyElementsError where there are more than a message may have; ``what`` names them."""
        if count > self.events_max:
            raise TooManyElementsError(f"{count} {what} may have {self.events_max} (worker.message_events_max)", count)


class TooManyElementsError(MalformedError):
    """A message of too many ``elements``."""

    def __init__(self, reason: str, elements: int) -> None:
        super().__init__(reason)
        self.elements = elements


def prediction_bytes_max(message_bytes_max: int) -> int:
    """Bytes of one prediction, at most, by the largest message: a task and a correction with it must fit into one."""
    return min(PREDICTION_BYTES_MAX, message_bytes_max // 4)
