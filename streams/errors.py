"""What can go wrong between watchloop and Kafka. The text of every error is one line: what, where, what to do.

StreamsError
├── KafkaUnreachable      no broker answers
├── WrongClientSetting    librdkafka refuses a setting
├── TopicsNotCreated      the broker refused to create topics
├── TopicReplaced         a topic was deleted and created anew
├── NotDelivered          the broker did not take a message
├── BufferFull            a producer's buffer stayed full
├── WrongEvent            a prediction or a label that watchloop would reject; a ValueError too
├── SlotTaken             another worker runs under the same transactional id
├── PackageMissing        a message needs a package that is not installed
├── RegistryUnreachable   the schema registry does not answer, or answers with an error
└── AccessNotSet          the embedded Kafka refuses its users or its access control lists
"""

from __future__ import annotations

from typing import Final

from schemas.texts.one_line import one_line

__all__ = [
    "TEXT_CHARS_MAX",
    "AccessNotSet",
    "BufferFull",
    "KafkaUnreachable",
    "NotDelivered",
    "PackageMissing",
    "RegistryUnreachable",
    "SlotTaken",
    "StreamsError",
    "TopicReplaced",
    "TopicsNotCreated",
    "WrongClientSetting",
    "WrongEvent",
]

TEXT_CHARS_MAX: Final = 1_000
"""Characters of an error's text; a longer one is cut."""


class StreamsError(Exception):
    """Something a person can put right. Its text is one line."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text, TEXT_CHARS_MAX))


class KafkaUnreachable(StreamsError):  # noqa: N818 - reads as what happened
    """No broker answers at the configured address."""


class TopicReplaced(StreamsError):  # noqa: N818
    """A topic was deleted and created anew while a client read it: offsets count from zero again."""


class WrongClientSetting(StreamsError):  # noqa: N818
    """librdkafka refuses a setting of ``kafka.client``."""


class TopicsNotCreated(StreamsError):  # noqa: N818
    """The broker refused to create one or more topics."""


class NotDelivered(StreamsError):  # noqa: N818
    """The broker did not take a message in time, or refused it."""


class BufferFull(StreamsError):  # noqa: N818
    """A producer's buffer stayed full. Of the events to be sent, the first ``taken`` were buffered, the rest not."""

    def __init__(self, text: str, taken: int = 0) -> None:
        super().__init__(text)
        self.taken = taken


class WrongEvent(StreamsError, ValueError):  # noqa: N818
    """A prediction or a label that watchloop would reject.

    ``field`` is the JSON path of the wrong value, ``reason`` says what is wrong with it. ``index`` is the event's index
    among the events to be sent: those before it were buffered, it and those after it were not.
    """

    def __init__(self, what: str, reason: str, field: str = "", index: int = 0) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason
        self.field = field
        self.index = index


class SlotTaken(StreamsError):  # noqa: N818
    """Another worker runs under the same transactional id, and Kafka has fenced this one."""


class PackageMissing(StreamsError):  # noqa: N818
    """A message has an encoding that needs a package which is not installed."""


class RegistryUnreachable(StreamsError):  # noqa: N818
    """The schema registry does not answer, or answers with an error."""


class AccessNotSet(StreamsError):  # noqa: N818
    """The embedded Kafka refuses its users or its access control lists."""
