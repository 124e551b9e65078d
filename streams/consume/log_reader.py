"""Reads whole topics from their beginning, for state that is kept in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streams.client_config import passing_reader_config
from streams.consume.record_guard import guarded
from streams.errors import KafkaUnreachable
from streams.records import Partition, Record
from streams.settings import KafkaSettings

__all__ = ["LogReader"]

READ_EVENTS_MAX = 2_000
FETCH_SECONDS = 0.2
NEW_TOPIC_SECONDS_MAX = 10.0


class LogReader:
    """Hands every record of some topics to a function: first the records that are there, then new ones.

    Every reader sees every partition, and nothing is committed. ``topics`` maps the name of a topic, without prefix, to
    the function that is called with each of its records, in the thread that reads. A record that the function cannot
    use, or of more than ``kafka.message_bytes_max`` unpacked bytes, is logged and left out.
    """

    def __init__(self, settings: KafkaSettings, topics: Mapping[str, Callable[[Record], None]]) -> None:
        bytes_max = settings.message_bytes_max
        self._handlers = {settings.prefix + name: guarded(handler, bytes_max) for name, handler in topics.items()}
        self._unread: set[Partition] = set()
        self._consumer = Consumer(passing_reader_config(settings, fetch_wait_max_ms=100))

    def catch_up(self, seconds_max: float = 60.0) -> int:
        """Read up to the end of every partition; returns the number of records. Raises KafkaUnreachable."""
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
        """Read until ``stop`` is set, then close the connection. ``catch_up`` must have been called before."""
        while not stop.is_set():
            self._step()
        self.close()

    def close(self) -> None:
        """Close the connection; needed only if ``run``, which closes it too, is not called."""
        self._consumer.close()

    def _names(self) -> str:
        return ", ".join(self._handlers)

    def _assign(self, seconds_max: float) -> None:
        for topic in self._handlers:
            self._unread.update((topic, partition) for partition in self._partitions_of(topic, seconds_max))
        self._consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in sorted(self._unread)])

    def _partitions_of(self, topic: str, seconds_max: float) -> list[int]:
        """The numbers of a topic's partitions; a broker may learn of a new topic a moment later than another."""
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
