"""Reads whole topics from their beginning: state that is kept in a log, not in a group."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streams.clients import passing_reader_config
from streams.consume.record_guard import guarded
from streams.errors import KafkaUnreachable
from streams.records import Partition, Record
from streams.settings import KafkaSettings

__all__ = ["LogReader"]

READ_EVENTS_MAX = 2_000
FETCH_SECONDS = 0.2
NEW_TOPIC_SECONDS_MAX = 10.0


class LogReader:
    """Hands every record of some topics to a function each: first all there is, then what comes.

    Every reader sees every partition; nothing is committed. ``topics`` maps a topic's name without the prefix to what
    is called with each of its records, in the thread that reads; a record that it cannot use, or one larger than
    ``kafka.message_bytes_max`` once unpacked, is left out and logged.
    """

    def __init__(self, settings: KafkaSettings, topics: Mapping[str, Callable[[Record], None]]) -> None:
        bytes_max = settings.message_bytes_max
        self._handlers = {settings.prefix + name: guarded(handler, bytes_max) for name, handler in topics.items()}
        self._unread: set[Partition] = set()
        self._consumer = Consumer(passing_reader_config(settings, fetch_wait_max_ms=100))

    def catch_up(self, seconds_max: float = 60.0) -> int:
        """Read up to the end of every partition; returns how many records. Raises KafkaUnreachable."""
        deadline = time.monotonic() + seconds_max
        try:
            self._assign(seconds_max)
        except KafkaException as error:
            raise KafkaUnreachable(f"cannot read {self._names()}: {error.args[0].str()}") from error
        read = 0
        while self._unread:
            read += self._step()
            if self._unread and time.monotonic() > deadline:
                raise KafkaUnreachable(f"cannot read {self._names()} to the end within {seconds_max:g} s")
        return read

    def run(self, stop: threading.Event) -> None:
        """Go on reading until ``stop`` is set, then close. Call ``catch_up`` before."""
        while not stop.is_set():
            self._step()
        self.close()

    def close(self) -> None:
        """Close the connection; needed only where ``run``, which closes it at its end, is not called."""
        self._consumer.close()

    def _names(self) -> str:
        return ", ".join(self._handlers)

    def _assign(self, seconds_max: float) -> None:
        for topic in self._handlers:
            self._unread.update((topic, partition) for partition in self._partitions_of(topic, seconds_max))
        self._consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in sorted(self._unread)])

    def _partitions_of(self, topic: str, seconds_max: float) -> list[int]:
        """A topic's partitions; a broker hears of a topic a moment after another one has created it."""
        deadline = time.monotonic() + min(seconds_max, NEW_TOPIC_SECONDS_MAX)
        while True:
            metadata = self._consumer.list_topics(topic, timeout=seconds_max).topics[topic]
            if metadata.error is None:
                return list(metadata.partitions)
            if metadata.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                raise KafkaException(metadata.error)
            time.sleep(FETCH_SECONDS)

    def _step(self) -> int:
        read = 0
        for message in self._consumer.consume(READ_EVENTS_MAX, FETCH_SECONDS):
            error, record = message.error(), cast(Record, message)
            if error is None:
                self._handlers[record.topic()](record)
                read += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._unread.discard((record.topic(), record.partition()))
        return read
