"""With ``VerdictReader`` a service that runs a model reads the verdicts on its predictions."""

from __future__ import annotations

import time
from collections.abc import Collection
from types import TracebackType
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from schemas.json_text.errors import MalformedError
from schemas.topics import VERDICTS
from schemas.wire.verdict import Verdict
from streams.client_config import LOGGER, common_client_config
from streams.errors import WrongClientSetting
from streams.message_limits import MessageLimits
from streams.records import Partition, start_of
from streams.settings import KafkaSettings, VerdictReaderSettings, checked
from streams.verdicts.messages import read_verdicts

__all__ = ["VerdictReader"]

COMMITTED_SECONDS_MAX: Final = 10.0
BEGINS: Final = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}


class VerdictReader:
    """Reads the verdicts of ``models``, or of all models, in a consumer group.

    Readers with the same ``group`` share the work; all verdicts of a model go to the same reader. ``read`` returns the
    next verdicts, ``commit`` says that all of them were handled. After a restart, or when another reader takes over,
    the group continues behind the verdicts that were committed; those that were read but not committed come again.
    Verdicts of aborted transactions are not returned.

    Use it from one thread. If more than five minutes pass between two calls of ``read`` (``max.poll.interval.ms`` of
    ``kafka.client``), the group continues without this reader until the next call. Raises ValueError for a setting out
    of bounds and WrongClientSetting for a setting that librdkafka refuses; it does not need a broker yet.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        models: str | Collection[str] = (),
        settings: VerdictReaderSettings | None = None,
    ) -> None:
        if not group:
            raise ValueError("group is empty: name the consumer group, such as the service's own name")
        self._settings = checked(settings or VerdictReaderSettings())
        self._models = frozenset([models] if isinstance(models, str) else models)
        self._keys = frozenset(model.encode() for model in self._models)
        self._ends: dict[Partition, int] = {}
        self._lost: set[Partition] = set()
        self.unreadable = 0
        """How many messages and elements of arrays were no verdicts, or had more bytes than ``kafka.message_bytes_max``
        once unpacked; they are logged and left out."""
        self.last_error = ""
        """The last error that Kafka returned instead of a message, such as that the topic does not exist."""
        self._limits = MessageLimits(checked(kafka).message_bytes_max)
        topic = kafka.prefix + VERDICTS.name
        self._is_cooperative = "cooperative" in kafka.client.get("partition.assignment.strategy", "")
        self._consumer = _client(checked(kafka), group, self._settings)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def read(self, seconds_max: float = 1.0) -> list[Verdict]:
        """The verdicts of the next messages, as soon as there are any; empty if none arrive within ``seconds_max``.

        Takes at most ``read_messages_max`` whole messages, and as many again while all verdicts are of other models.
        """
        deadline = time.monotonic() + seconds_max
        while True:
            taken = self._take(deadline)
            verdicts = [verdict for message in taken for verdict in self._verdicts(message)]
            if verdicts or not taken or time.monotonic() >= deadline:
                return verdicts

    def _take(self, deadline: float) -> list[Message]:
        """The messages that are available once the first has arrived; empty if none arrives before the deadline."""
        taken: list[Message] = []
        while len(taken) < self._settings.read_messages_max:
            message = self._consumer.poll(0 if taken else max(0.0, deadline - time.monotonic()))
            if self._lost:
                # Messages of a partition that this reader lost were not committed: its new owner reads them again.
                taken = [message for message in taken if (message.topic(), message.partition()) not in self._lost]
                self._lost.clear()
            if message is None:
                break
            error = message.error()
            if error is None:
                taken.append(message)
            else:
                self.last_error = error.str()
                LOGGER.warning("verdicts not read: %s", self.last_error)
        return taken

    def commit(self) -> bool:
        """Say that all verdicts that ``read`` returned were handled; False if no broker takes that in ten seconds.

        Verdicts that were not committed may come again. A later commit includes them, as long as this reader keeps
        their partitions.
        """
        if not self._ends:
            return True
        offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in self._ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            LOGGER.warning("verdicts not committed: %s", error.args[0].str())
            return False
        self._ends.clear()
        return True

    def close(self) -> None:
        """Leave the group; verdicts that were not committed come again."""
        self._consumer.close()

    def __enter__(self) -> VerdictReader:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _verdicts(self, message: Message) -> list[Verdict]:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._ends[topic, partition] = offset + 1
        key = message.key()
        if self._keys and key is not None and key not in self._keys:
            return []
        value = message.value() or b""
        try:
            self._limits.check_bytes(len(value))
            readable = read_verdicts(value, self._limits.events_max)
            verdicts, wrong = readable.values, list(readable.wrong.values())
        except MalformedError as error:
            verdicts, wrong = [], [error]
        if wrong:
            self.unreadable += len(wrong)
            LOGGER.warning("verdict not readable: %s/%d at %d: %s", topic, partition, offset, wrong[0].reason)
        return [verdict for verdict in verdicts if not self._models or verdict.model in self._models]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Start each partition at the offset that the group has committed.

        It is asked here, because librdkafka may leave a partition unread if it asks by itself while the group's
        coordinator moves (librdkafka's issue 5586).
        """
        self.last_error = ""
        if self._is_cooperative:
            return
        try:
            stands = consumer.committed(partitions, COMMITTED_SECONDS_MAX)
        except KafkaException as error:
            self.last_error = error.args[0].str()
            LOGGER.warning("offsets that the group committed are unknown, the client asks again: %s", self.last_error)
            return
        for stand in stands:
            if stand.error is None:
                stand.offset = start_of(stand.offset, BEGINS[self._settings.begin])
        if all(stand.error is None for stand in stands):
            consumer.assign(stands)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._lost.add((partition.topic, partition.partition))
            self._ends.pop((partition.topic, partition.partition), None)


def _client(kafka: KafkaSettings, group: str, settings: VerdictReaderSettings) -> Consumer:
    config = {
        "group.id": group,
        "auto.offset.reset": settings.begin,
        "queued.max.messages.kbytes": settings.fetch_kbytes_max,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 1_000,
        "fetch.queue.backoff.ms": 5,
        **common_client_config(kafka),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
    }
    try:
        return Consumer(config)
    except KafkaException as error:
        raise WrongClientSetting(f"librdkafka refuses a setting of the reader: {error.args[0].str()}") from None
