"""How large a message may be, checked before it is decoded."""

from __future__ import annotations

import dataclasses
from typing import Final

from schemas.json_text.errors import MalformedError
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT

__all__ = [
    "MESSAGE_EVENTS_MAX_DEFAULT",
    "PREDICTION_BYTES_MAX",
    "MessageLimits",
    "TooManyElementsError",
    "prediction_bytes_max",
]

PREDICTION_BYTES_MAX: Final = 1024 * 1024
"""A larger prediction is rejected: a task and a correction carry its features and must fit into a message too."""

MESSAGE_EVENTS_MAX_DEFAULT: Final = 10_000
"""Predictions in one message: as many as fit into 4 MiB at 400 bytes each, and fifty times what the producer packs."""


@dataclasses.dataclass(frozen=True, slots=True)
class MessageLimits:
    """The largest message that is decoded; a larger one is refused as a whole.

    ``bytes_max`` bounds its bytes, counted after the Kafka client has unpacked them; ``events_max`` bounds the elements
    of an array or the rows of an Arrow stream.
    """

    bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT
    events_max: int = MESSAGE_EVENTS_MAX_DEFAULT

    def check_bytes(self, size: int) -> None:
        """Raises MalformedError for a message of more than ``bytes_max`` unpacked bytes.

        >>> MessageLimits(bytes_max=3).check_bytes(4)
        Traceback (most recent call last):
            ...
        schemas.json_text.errors.MalformedError: 4 bytes once unpacked; a message may have 3 (kafka.message_bytes_max)
        """
        if size > self.bytes_max:
            raise MalformedError(
                f"{size} bytes once unpacked; a message may have {self.bytes_max} (kafka.message_bytes_max)"
            )

    def check_elements(self, count: int, what: str = "elements; a message") -> None:
        """Raises TooManyElementsError for a message of more than ``events_max`` elements; ``what`` names them."""
        if count > self.events_max:
            raise TooManyElementsError(f"{count} {what} may have {self.events_max} (worker.message_events_max)", count)


class TooManyElementsError(MalformedError):
    """A message has too many elements; ``elements`` is their number."""

    def __init__(self, reason: str, elements: int) -> None:
        super().__init__(reason)
        self.elements = elements


def prediction_bytes_max(message_bytes_max: int) -> int:
    """The largest prediction, in bytes, where messages have ``message_bytes_max`` bytes at most.

    A task and a correction carry the prediction and must fit into a message too.

    >>> prediction_bytes_max(1_000_000), prediction_bytes_max(8 * 1024 * 1024)
    (250000, 1048576)
    """
    return min(PREDICTION_BYTES_MAX, message_bytes_max // 4)
