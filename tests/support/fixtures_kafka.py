"""Fixtures on the embedded Kafka: one broker a test run, one prefix a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.settings import KafkaSettings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """Settings of a running single-node Kafka, shared by all tests of the run; no topics yet."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    settings = EmbeddedKafkaSettings(log_retention_bytes=256 * 1024 * 1024)
    with EmbeddedKafka(folder, settings, access=EVERYBODY) as running:
        yield KafkaSettings(bootstrap=running.bootstrap)


@pytest.fixture
def kafka_prefix(kafka: KafkaSettings) -> KafkaSettings:
    """Settings with a prefix of this test's own and no topics under it yet."""
    return msgspec.structs.replace(kafka, prefix=f"test{next(_numbers)}.")


@pytest.fixture
def kafka_topics(kafka_prefix: KafkaSettings) -> KafkaSettings:
    """Settings with a prefix of this test's own, all topics created (two partitions where they have several)."""
    settings = msgspec.structs.replace(kafka_prefix, partitions=2)
    create_topics(settings)
    return settings
