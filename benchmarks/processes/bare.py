"""The floor of latency: consume and produce in transactions, and do nothing else.

Values are forwarded as they are, in messages of 200, in one transaction with the offsets. With ``overlapped`` the next
messages are taken while a transaction commits, as INTAKE does.
"""

from __future__ import annotations

import concurrent.futures
import sys
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from agents.shared.memory import settle_memory
from benchmarks.processes.meter import say, spec_of
from schemas.topics import PREDICTIONS, VERDICTS
from streams.consume.batches import BatchSettings, consumer_config
from streams.produce.outbox import producer_config
from streams.settings import KafkaSettings

VALUES_PER_MESSAGE = 200
SECONDS_MAX = 30.0


class Loop:
    """One consumer, one transactional producer."""

    def __init__(self, kafka: KafkaSettings, batch: BatchSettings, key: bytes) -> None:
        self.consumer = Consumer(consumer_config(kafka, "bare", batch))
        self.producer = Producer({**producer_config(kafka), "transactional.id": f"{kafka.prefix}bare"})
        self._batch, self._key = batch, key
        self._source, self._target = kafka.prefix + PREDICTIONS.name, kafka.prefix + VERDICTS.name

    def start(self) -> None:
        """Join the group, and say on standard output once partitions are assigned."""
        self.producer.init_transactions(SECONDS_MAX)
        self.consumer.subscribe(
            [self._source], on_assign=lambda _consumer, partitions: say("assigned", partitions=len(partitions))
        )

    def take(self) -> list[Any]:
        """The messages of the next batch, perhaps none; errors of the client are left out."""
        return [
            message
            for message in self.consumer.consume(self._batch.events_max, self._batch.wait_seconds)
            if message.error() is None
        ]

    def forward(self, messages: list[Any], member: object) -> None:
        """Send the messages on in arrays, and commit them with their offsets in one transaction."""
        values = [message.value() for message in messages]
        ends = {message.partition(): message.offset() + 1 for message in messages}
        self.producer.begin_transaction()
        for start in range(0, len(values), VALUES_PER_MESSAGE):
            array = b"[" + b",".join(values[start : start + VALUES_PER_MESSAGE]) + b"]"
            self.producer.produce(self._target, array, self._key)
        offsets = [TopicPartition(self._source, partition, end) for partition, end in ends.items()]
        self.producer.send_offsets_to_transaction(offsets, member, SECONDS_MAX)
        self.producer.commit_transaction(SECONDS_MAX)


def main(spec: dict[str, Any]) -> None:
    """Forward until whoever started it ends it."""
    batch = BatchSettings(events_max=spec["events_max"], wait_seconds=spec["wait_seconds"])
    loop = Loop(KafkaSettings(**spec["kafka"]), batch, spec["key"].encode())
    settle_memory()
    loop.start()
    with concurrent.futures.ThreadPoolExecutor(1) as committer:
        under_way: concurrent.futures.Future[None] | None = None
        while True:
            messages = loop.take()
            if under_way is not None:
                under_way.result()
                under_way = None
            if not messages:
                continue
            member = loop.consumer.consumer_group_metadata()
            if spec["overlapped"]:
                under_way = committer.submit(loop.forward, messages, member)
            else:
                loop.forward(messages, member)


if __name__ == "__main__":
    main(spec_of(sys.argv))
