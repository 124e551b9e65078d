"""The faust app: which messages its agents get."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.topics import REVIEW_EVENTS
from streams.admin.topics import full_name
from streams.app import create_app, raw_topic
from streams.client_config import common_client_config
from streams.settings import KafkaSettings


@pytest.mark.servers
def test_agents_are_handed_what_is_committed(kafka_topics: KafkaSettings, tmp_path: pathlib.Path) -> None:
    """A task of an aborted transaction never reaches an agent; the task of the repeated one does."""
    topic = full_name(kafka_topics, REVIEW_EVENTS)
    producer = Producer({**common_client_config(kafka_topics), "transactional.id": f"{kafka_topics.prefix}app"})
    producer.init_transactions(20)
    for value in (b"rolled back", b"committed"):
        producer.begin_transaction()
        producer.produce(topic, value, key=b"task")
        assert producer.flush(20) == 0
        if value == b"committed":
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)

    heard: list[bytes] = []

    async def run() -> None:
        app = create_app(kafka_topics, roles=["desk"], data=tmp_path)
        app.conf.web_enabled = False
        done = asyncio.Event()

        async def carry(stream: Any) -> None:
            async for value in stream:
                heard.append(value)
                if value == b"committed":
                    done.set()

        app.agent(raw_topic(app, kafka_topics, REVIEW_EVENTS), name="desk")(carry)
        async with asyncio.timeout(60):
            await app.start()
            await done.wait()
            await app.stop()

    asyncio.run(run())
    assert heard == [b"committed"]
