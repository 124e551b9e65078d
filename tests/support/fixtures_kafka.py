"""Fixtures on the embedded Kafka: one broker a test run, one prefix a test."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from streams.admin.topics import create_topics
from streams.settings import KafkaSettings
from tests.support.shared_servers import address_of, unique_name

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka() -> KafkaSettings:
    """Settings of a running single-node Kafka, shared by all tests of the run; no topics of this test yet."""
    return KafkaSettings(bootstrap=address_of("kafka"))


@pytest.fixture
def kafka_prefix(kafka: KafkaSettings) -> KafkaSettings:
    """Settings with a prefix of this test's own and no topics under it yet."""
    return msgspec.structs.replace(kafka, prefix=f"{unique_name(next(_numbers))}.")


@pytest.fixture
def kafka_topics(kafka_prefix: KafkaSettings) -> KafkaSettings:
    """Settings with a prefix of this test's own, all topics created (two partitions where they have several)."""
    settings = msgspec.structs.replace(kafka_prefix, partitions=2)
    create_topics(settings)
    return settings
