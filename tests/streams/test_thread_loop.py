"""A loop in a thread: an error that ends it ends the worker, and is logged once."""

from __future__ import annotations

import asyncio
import threading

import pytest
from confluent_kafka import Consumer, TopicPartition
from structlog.testing import capture_logs

from schemas.topics import LABELS
from streams.client_config import common_client_config
from streams.errors import SlotTaken
from streams.settings import KafkaSettings
from streams.thread_loop import ThreadLoop
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("error", "is_traced"), [(SlotTaken("another worker took over slot '0'"), False), (KeyError("unforeseen"), True)]
)
def test_only_an_unforeseen_error_is_logged_with_a_traceback(error: Exception, *, is_traced: bool) -> None:
    """An error that says what to do is one line in the log; a defect of the program leaves its trace."""

    def body(_stop: threading.Event) -> None:
        raise error

    async def run() -> ThreadLoop:
        loop = ThreadLoop("intake", body, explained=(SlotTaken,))
        async with asyncio.timeout(20):
            await loop.start()
            await loop._crashed.wait()
            await loop.stop()
        return loop

    with capture_logs() as logs:
        loop = asyncio.run(run())
    assert loop.failure is error
    (line,) = [entry for entry in logs if entry["event"] == "loop failed"]
    assert line["error"] == str(error)
    assert bool(line["exc_info"]) is is_traced


@pytest.mark.servers
def test_what_is_no_exception_ends_a_loop_as_well(kafka_topics: KafkaSettings) -> None:
    """The Kafka client raises its bare error where a question fails within an assignment: the worker must not stand."""
    consumer = Consumer({**common_client_config(kafka_topics), "group.id": f"{kafka_topics.prefix}bare"})

    def assigned(asking: Consumer, partitions: list[TopicPartition]) -> None:
        asking.committed(partitions, timeout=0.0)

    def body(stop: threading.Event) -> None:
        consumer.subscribe([kafka_topics.prefix + LABELS.name], on_assign=assigned)
        while not stop.is_set():
            consumer.consume(1, 0.1)

    loop = ThreadLoop("intake", body)
    loop.thread.start()
    loop.thread.join(PATIENCE_SECONDS)
    assert not loop.thread.is_alive()
    assert loop.failure is not None
    consumer.close()
