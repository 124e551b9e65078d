"""The producer's side: verdicts as they are committed, for the service that runs the models."""

from __future__ import annotations

import time
from collections.abc import Collection
from types import TracebackType
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from schemas.codec import MalformedError, decode_one_or_many, decoder_of
from schemas.topics import VERDICTS
from schemas.wire.verdict import Verdict
from streams.client_config import LOGGER, common_client_config
from streams.errors import WrongClientSetting
from streams.message_limits import MessageLimits
from streams.records import Partition, start_of
from streams.settings import KafkaSettings, VerdictReaderSettings, checked

__all__ = ["VerdictReader"]

COMMITTED_SECONDS_MAX: Final = 10.0
BEGINS: Final = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}


class VerdictReader:
    """Reads verdicts in a consumer group, those of ``models`` or of all.

    Readers with the same ``group`` share the work; each model stays with one of them. ``read`` hands out the next
    verdicts, ``commit`` says that all of them were handled: after a restart, or where another reader takes over, the
    group goes on behind them, and what was read but not committed comes again. Verdicts of transactions that were
    aborted are not seen.

    For one thread. Between two calls of ``read`` at most five minutes may pass (``max.poll.interval.ms`` of
    ``kafka.client``), or the group goes on without this reader until the next call. Raises ValueError for a setting out
    of bounds, WrongClientSetting for one that librdkafka refuses; a broker need not be there yet.
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
        """Messages and elements of arrays that were no verdicts, and messages of more bytes than
        ``kafka.message_bytes_max`` once unpacked; they are logged and left out."""
        self.last_error = ""
        """What Kafka said last instead of a message, such as that the topic does not exist."""
        self._limits = MessageLimits(checked(kafka).message_bytes_max)
        topic = kafka.prefix + VERDICTS.name
        self._is_cooperative = "cooperative" in kafka.client.get("partition.assignment.strategy", "")
        self._consumer = _client(checked(kafka), group, self._settings)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def read(self, seconds_max: float = 1.0) -> list[Verdict]:
        """The verdicts of the next messages, as soon as there are any; empty where none come within ``seconds_max``.

        At most ``read_messages_max`` messages are taken, each whole, and as many again while all are other models'.
        """
        deadline = time.monotonic() + seconds_max
        while True:
            taken = self._take(deadline)
            verdicts = [verdict for message in taken for verdict in self._verdicts(message)]
            if verdicts or not taken or time.monotonic() >= deadline:
                return verdicts

    def _take(self, deadline: float) -> list[Message]:
        """The messages that are there, after the first has come; none where none does."""
        taken: list[Message] = []
        while len(taken) < self._settings.read_messages_max:
            message = self._consumer.poll(0 if taken else max(0.0, deadline - time.monotonic()))
            if self._lost:
                # What was taken of a partition before it was lost is not committed: it comes again, here or elsewhere.
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
        """Say that all verdicts handed out were handled; False where no broker takes it, after some ten seconds.

        Then they may come again; a later commit includes them, as long as this reader keeps their partitions.
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
        """Leave the group; what is not committed comes again."""
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
            verdicts, wrong = self._readable(value)
        except MalformedError as error:
            verdicts, wrong = [], [error]
        if wrong:
            self.unreadable += len(wrong)
            LOGGER.warning("verdict not readable: %s/%d at %d: %s", topic, partition, offset, wrong[0].reason)
        return [verdict for verdict in verdicts if not self._models or verdict.model in self._models]

    def _readable(self, value: bytes) -> tuple[list[Verdict], list[MalformedError]]:
        """The verdicts of a message, and what is wrong with its other elements; raises MalformedError."""
        try:
            return decode_one_or_many(Verdict, value), []
        except MalformedError:
            if value[:1] != b"[":
                raise
        from schemas.json_text.parts import decoded_apart  # its start is not paid for by who needs none of it

        apart = decoded_apart(value, decoder_of(Verdict).decode, self._limits.events_max)
        return list(apart.readable.values()), list(apart.wrong.values())

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the group stands, which is asked here: a client that asks itself while the group's coordinator
        moves may leave a partition unread (librdkafka's issue 5586).
        """
        self.last_error = ""
        if self._is_cooperative:
            return
        try:
            stands = consumer.committed(partitions, COMMITTED_SECONDS_MAX)
        except KafkaException as error:
            self.last_error = error.args[0].str()
            LOGGER.warning("what the group committed is unknown, the client asks again: %s", self.last_error)
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
