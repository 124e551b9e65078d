"""The registry's prefix: a schema is asked for once, and a registry that is away holds nothing up."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.wire.reject import Reject
from streams.errors import RegistryUnreachable
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader, Readings
from streams.predictions.registry import (
    ASKED_MAX,
    ASKED_SECONDS,
    BACK_OFF_SECONDS_MAX,
    SCHEMAS_MAX,
    UNKNOWN_SECONDS,
    Registry,
    check_registry,
    registry_of,
)
from streams.settings import KafkaSettings
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields
from tests.support.schema_registry import AVRO_SCHEMA, JSON_SCHEMA, SchemaRegistry, serving

prediction = functools.partial(prediction_fields, time=NOW_MS, confidence=0.9)


def prefixed(schema_id: int, value: Any) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + json.dumps(value).encode()


def records(*values: bytes) -> list[PlainRecord]:
    return [PlainRecord(value, number=number) for number, value in enumerate(values)]


def read(schemas: Registry | None, *values: bytes) -> Readings:
    """The results of both readers, which must agree."""
    readings = PredictionReader(PREFIX, future_ms_max=0, schemas=schemas).read([records(*values)], now_ms=0)
    by_message = read_predictions(records(*values), PREFIX, now_ms=0, future_ms_max=0, schemas=schemas)
    assert readings.rejects == by_message.rejects
    assert sum(len(part.columns) for part in readings.parts) == len(by_message.events)
    return readings


def ids(readings: Readings) -> list[str]:
    return [event_id for part in readings.parts for event_id in part.columns.event_ids.texts]


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's proxy is not asked for addresses of its own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    """A registry that is up, with a JSON Schema as 1 and an Avro schema as 2."""
    made = SchemaRegistry()
    made.add(JSON_SCHEMA, "JSON")
    made.add(AVRO_SCHEMA, "AVRO")
    with serving(made):
        yield made


def known_by(registry: SchemaRegistry, **settings: Any) -> Registry:
    known = registry_of(KafkaSettings(registry_url=registry.url, **settings))
    assert known is not None
    return known


class Clock:
    """A clock that moves only when the test moves it."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A registry with types by id; None stands for a request that is not answered."""

    def __init__(self, types: dict[int, str] | None) -> None:
        self.types = types
        self.asked: list[int] = []
        self.clock = Clock()
        self.known = Registry(self, clock=self.clock)

    def __call__(self, schema_id: int) -> str | None:
        self.asked.append(schema_id)
        if self.types is None:
            raise RegistryUnreachable("away")
        return self.types.get(schema_id)


def test_what_a_serializer_sends_is_read(registry: SchemaRegistry) -> None:
    """Messages of Confluent's own JSON serializer are read, and their schema is asked for once."""
    client = SchemaRegistryClient({"url": registry.url})
    serializer = JSONSerializer(JSON_SCHEMA, client)
    context = SerializationContext(PREFIX + "predictions", MessageField.VALUE)
    values = [serializer(prediction(number), context) for number in range(50)]
    assert values[0][:5] == b"\0\0\0\0\1"
    schemas = known_by(registry)
    registry.asked.clear()
    assert ids(read(schemas, *values)) == [f"e-{number}" for number in range(50)]
    assert registry.asked == ["GET /schemas/ids/1"]


def test_prefixed_messages_are_read_fast(registry: SchemaRegistry) -> None:
    """Singles, arrays and bare messages between them are read by the shaped decoder once the model is known."""
    reader = PredictionReader(PREFIX, future_ms_max=0, schemas=known_by(registry))
    for values in (
        records(prefixed(1, prediction()), json.dumps(prediction(1)).encode()),
        records(prefixed(1, [prediction(2), prediction(3)]), prefixed(1, [prediction(4)])),
    ):
        reader.read([values], now_ms=0)
        assert reader._read_shaped(values, GatheredEvents()) is not None


def only_reject(schemas: Registry, value: bytes) -> Reject:
    readings = read(schemas, value)
    assert readings.parts == []
    (reject,) = readings.rejects
    assert reject.original == value
    return reject


def test_another_kind_of_schema_is_a_reject(registry: SchemaRegistry) -> None:
    """A message whose schema is Avro's is refused as a whole, even where its bytes could be read."""
    schemas = known_by(registry)
    assert only_reject(schemas, prefixed(2, prediction())).reason == "schema 2 is AVRO; expected JSON Schema"
    assert only_reject(schemas, prefixed(2, [prediction(), prediction()])).source_index == 0
    readings = read(schemas, prefixed(1, prediction(1)), b"\0\0\0\0\2\x06abc", prefixed(1, prediction(2)))
    assert ids(readings) == ["e-1", "e-2"]
    assert [reject.reason for reject in readings.rejects] == ["schema 2 is AVRO; expected JSON Schema"]


def test_an_id_that_the_registry_does_not_know_is_a_reject(registry: SchemaRegistry) -> None:
    """A message whose schema the registry does not know is refused too, and the reason says so."""
    reject = only_reject(known_by(registry), prefixed(7, prediction()))
    assert reject.reason == "schema 7 is not known to the registry; expected a JSON Schema of it"


def test_a_registry_that_is_down_stops_nothing() -> None:
    """Known ids stay known; messages with other ids are judged by our own checks, and the log says so now and then."""
    made = SchemaRegistry()
    made.add(JSON_SCHEMA, "JSON")
    made.add(AVRO_SCHEMA, "AVRO")
    with serving(made):
        schemas = known_by(made)
        assert ids(read(schemas, prefixed(1, prediction(1)))) == ["e-1"]
        read(schemas, prefixed(2, prediction()))
    with structlog.testing.capture_logs() as logs:
        assert ids(read(schemas, prefixed(1, prediction(2)))) == ["e-2"]
        assert only_reject(schemas, prefixed(2, prediction())).reason.startswith("schema 2 is AVRO")
        assert logs == []
        of_unknown_ids = [prefixed(number, prediction(number)) for number in range(3, 300)]
        readings = read(schemas, *of_unknown_ids, prefixed(300, "no"))
        assert (len(ids(readings)), [reject.source_offset for reject in readings.rejects]) == (297, [297])
    assert [(line["log_level"], "does not answer" in line["event"]) for line in logs] == [("warning", True)]
    assert made.url in logs[0]["why"]


def test_without_a_registry_the_prefix_is_taken_off() -> None:
    """If the settings name no registry, none is asked."""
    assert registry_of(KafkaSettings()) is None
    assert ids(read(None, prefixed(9, prediction(1)))) == ["e-1"]


def test_a_registry_that_is_slow_is_left_alone(registry: SchemaRegistry) -> None:
    """An answer that takes too long counts as none."""
    registry.wait_seconds = 1.0
    assert known_by(registry, registry_seconds_max=0.05).problem_of(2) is None


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_an_answer_that_is_none_rejects_nothing(registry: SchemaRegistry, status: int) -> None:
    """A wrong path, a refusal or a fault of the registry says nothing of the message."""
    registry.status = status
    assert known_by(registry).problem_of(2) is None
    with pytest.raises(RegistryUnreachable, match=f"{registry.url}.*{status}"):
        check_registry(KafkaSettings(registry_url=registry.url))


def test_an_answer_that_is_no_json_rejects_nothing(registry: SchemaRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server at the address is not taken for a registry."""
    for answer in ([], "text", {"schema": AVRO_SCHEMA, "references": 5}, None):
        monkeypatch.setattr(registry, "answer", lambda *_, answer=answer: (200, answer))
        assert known_by(registry).problem_of(2) is None


def test_user_and_password(registry: SchemaRegistry) -> None:
    """They come from the settings, and without them a registry that wants them does not answer."""
    registry.credentials = "watchloop:s3:cret"
    with pytest.raises(RegistryUnreachable, match="Unauthorized"):
        check_registry(KafkaSettings(registry_url=registry.url))
    named = KafkaSettings(registry_url=registry.url, registry_user="watchloop", registry_password="s3:cret")
    check_registry(named)
    known = registry_of(named)
    assert known is not None
    assert known.problem_of(2) == "schema 2 is AVRO; expected JSON Schema"


def test_unknown_is_asked_again_later() -> None:
    """An id may be registered after its first message: until then it is refused, afterwards asked for anew."""
    script = Scripted({})
    assert "not known" in (script.known.problem_of(7) or "")
    script.types = {7: "JSON"}
    script.clock.now += UNKNOWN_SECONDS - 1
    assert script.known.problem_of(7) is not None
    script.clock.now += 2
    assert script.known.problem_of(7) is None
    assert script.asked == [7, 7]


def test_what_was_unknown_stays_so_while_nobody_answers() -> None:
    """An outage does not let through what was refused before it."""
    script = Scripted({})
    script.known.problem_of(7)
    script.types = None
    script.clock.now += UNKNOWN_SECONDS + 1
    assert "not known" in (script.known.problem_of(7) or "")
    assert "not known" in (script.known.problem_of(7) or "")
    assert script.asked == [7, 7]


def test_back_off_grows_and_ends() -> None:
    """A registry that is away is asked ever less often, and used again once it answers."""
    script = Scripted(None)
    with structlog.testing.capture_logs() as logs:
        for _ in range(600):
            script.known.problem_of(script.clock.now)  # type: ignore[arg-type]  # another id each time
            script.clock.now += 1
        waits = [line["wait_seconds"] for line in logs]
        assert waits[:7] == [1, 2, 4, 8, 16, 32, BACK_OFF_SECONDS_MAX]
        assert set(waits[7:]) == {BACK_OFF_SECONDS_MAX}
        assert len(script.asked) == len(logs) < 20
        script.types = {1: "PROTOBUF"}
        script.clock.now += BACK_OFF_SECONDS_MAX
        assert script.known.problem_of(1) == "schema 1 is PROTOBUF; expected JSON Schema"
    assert logs[-1]["event"] == "the schema registry answers again"


def test_messages_that_invent_ids_cannot_slow_the_stream() -> None:
    """Only so many ids are asked for in a minute; further messages are judged without it, and the log says so."""
    script = Scripted({})
    with structlog.testing.capture_logs() as logs:
        problems = [script.known.problem_of(number) for number in range(ASKED_MAX + 50)]
    assert [problem is None for problem in problems] == [False] * ASKED_MAX + [True] * 50
    assert ["too many schema ids" in line["event"] for line in logs] == [True]
    script.clock.now += ASKED_SECONDS
    assert script.known.problem_of(ASKED_MAX + 1) is not None


def test_what_is_known_has_a_bound() -> None:
    """Beyond it the id asked for longest ago is forgotten."""
    script = Scripted(dict.fromkeys(range(SCHEMAS_MAX + 2), "JSON"))
    for number in range(SCHEMAS_MAX + 1):
        script.known.problem_of(number)
        script.clock.now += 2 * ASKED_SECONDS / ASKED_MAX
    script.asked.clear()
    script.known.problem_of(SCHEMAS_MAX)
    assert script.asked == []
    script.known.problem_of(0)
    assert script.asked == [0]
