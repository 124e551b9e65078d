"""The schema registry's client against a registry that others made: Apicurio's, with Confluent's serializer in front.

Its archive has 159 MB, so this runs on demand only (``TEST_REAL_REGISTRY=1``); it is fetched once, into the local Maven
repository.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from embedded.jars import local_repository, maven
from embedded.kafka.java import java
from schemas.topics import PREDICTIONS
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader
from streams.predictions.registry import check_registry, registry_of
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.prediction_fields import prediction_fields
from tests.support.schema_registry import AVRO_SCHEMA, JSON_SCHEMA
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        not os.environ.get("TEST_REAL_REGISTRY"), reason="fetches a registry of 159 MB: TEST_REAL_REGISTRY=1 runs it"
    ),
]

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
UNKNOWN_ID = 4_711


@contextlib.contextmanager
def apicurio(folder: Path, port: int) -> Iterator[str]:
    """The address of a running Apicurio Registry with nothing in it, as Confluent's clients see it."""
    project = maven(local_repository()).project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
    archive = Path(project.artifact("all", "tar.gz").resolve())
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    options = (
        "-Xmx512m",
        f"-Dquarkus.http.port={port}",
        "-Dquarkus.http.host=127.0.0.1",
        "-Dquarkus.management.enabled=false",
    )
    log = folder / "registry.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [java(), *options, "-jar", "quarkus-run.jar"], cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    try:
        eventually("the registry answers", lambda: answers(f"{url}/subjects"), log.read_text)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS):
            return True
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


prediction = functools.partial(prediction_fields, confidence=0.9)


def by_hand(schema_id: int, number: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + json.dumps(prediction(number)).encode()


def through_kafka(kafka: KafkaSettings, values: list[bytes]) -> list[Record]:
    """The messages as a consumer has them."""
    topic = kafka.prefix + PREDICTIONS.name
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    records: list[Any] = []
    eventually("all is there", lambda: records.extend(consumer.consume(1_000, 0.5)) or len(records) == len(values))
    consumer.close()
    return records


def test_a_registry_of_others(tmp_path: Path, kafka_topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Confluent's serializer sends is read; Avro and unknown ids are refused; without the registry it goes on."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    topic = kafka_topics.prefix + PREDICTIONS.name
    with apicurio(tmp_path, free_port()) as url:
        settings = KafkaSettings(registry_url=url)
        check_registry(settings)
        client = SchemaRegistryClient({"url": url})
        serializer = JSONSerializer(JSON_SCHEMA, client)
        context = SerializationContext(topic, MessageField.VALUE)
        avro_id = client.register_schema("other-value", Schema(AVRO_SCHEMA, "AVRO"))
        values = [serializer(prediction(number), context) for number in range(100)]
        json_id = int.from_bytes(values[0][1:5], "big")
        assert values[0][:1] == b"\0"
        assert json_id != avro_id
        records = through_kafka(kafka_topics, [*values, by_hand(avro_id, 100), by_hand(UNKNOWN_ID, 101)])
        schemas = registry_of(settings)
        assert schemas is not None
        reader = PredictionReader(kafka_topics.prefix, future_ms_max=0, schemas=schemas)
        readings = reader.read([records], now_ms=0)
        assert readings.parts[0].columns.event_ids.texts == [f"e-{number}" for number in range(100)]
        assert [(reject.source_offset, reject.reason) for reject in readings.rejects] == [
            (100, f"schema {avro_id} is AVRO; expected JSON Schema"),
            (101, f"schema {UNKNOWN_ID} is not known to the registry; expected a JSON Schema of it"),
        ]
        by_message = read_predictions(
            records, kafka_topics.prefix, now_ms=0, future_ms_max=0, schemas=registry_of(settings)
        )
        assert by_message.rejects == readings.rejects
    with structlog.testing.capture_logs() as logs:
        assert reader.read([records], now_ms=0).rejects == readings.rejects
        assert reader._read_shaped(records[:100], GatheredEvents()) is not None
        assert logs == []
        assert schemas.problem_of(UNKNOWN_ID + 1) is None
    assert ["does not answer" in line["event"] for line in logs] == [True]
