"""Verdicts as producers read them: those of committed transactions, again unless they were handled."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.columns.verdict_columns import batch_of_verdicts, verdict_batch, verdict_streams
from schemas.topics import VERDICTS
from schemas.wire.verdict import Verdict
from streams.client.verdict_reader import VerdictReader
from streams.errors import PackageMissing, WrongClientSetting
from streams.produce.outbox import Outbox, producer_config
from streams.settings import KafkaSettings, VerdictReaderSettings
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers


def verdict(number: int, model: str = "churn") -> Verdict:
    return Verdict(
        event_id=f"{model}-{number}",
        model=model,
        time=1,
        decision="accept",
        uncertainty=0.1,
        inclusion_probability=0.02,
        decided_at=2,
    )


def publish(kafka: KafkaSettings, numbers: Iterable[int], model: str = "churn") -> None:
    """Verdicts of one message, as an array."""
    outbox = Outbox(kafka)
    outbox.send(VERDICTS, model, [verdict(number, model) for number in numbers])
    outbox.flush()


def read(reader: VerdictReader, count: int) -> list[str]:
    """The ids of the next ``count`` verdicts."""
    event_ids: list[str] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(event_ids) < count:
        event_ids += [received.event_id for received in reader.read(0.2)]
        assert time.monotonic() < deadline, f"{len(event_ids)} of {count} verdicts, {reader.last_error}"
    return event_ids


def ids(numbers: Iterable[int], model: str = "churn") -> list[str]:
    return [f"{model}-{number}" for number in numbers]


def test_objects_and_arrays_are_read_alike(kafka_topics: KafkaSettings) -> None:
    """A message has one verdict or many; fields of a later version are ignored."""
    outbox = Outbox(kafka_topics)
    outbox.send(VERDICTS, "churn", verdict(0))
    outbox.send(VERDICTS, "churn", [verdict(1), verdict(2)])
    newer = msgspec.json.encode(msgspec.to_builtins(verdict(3)) | {"a_new_field": {"of": ["any", "kind"]}})
    outbox.send(VERDICTS, "churn", newer)
    outbox.flush()
    with VerdictReader(kafka_topics, group="service") as reader:
        received: list[Verdict] = []
        while len(received) < 4:
            received += reader.read(PATIENCE_SECONDS)
    assert received == [verdict(number) for number in range(4)]
    assert reader.unreadable == 0


def test_a_restart_goes_on_behind_the_last_commit(kafka_topics: KafkaSettings) -> None:
    """Verdicts that were read but not committed come again, committed ones do not."""
    publish(kafka_topics, range(3))
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 3) == ids(range(3))
        assert reader.commit()
        publish(kafka_topics, range(3, 5))
        assert read(reader, 2) == ids(range(3, 5))
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 2) == ids(range(3, 5))
        assert reader.commit()
        assert reader.commit(), "nothing to commit is no failure"
    publish(kafka_topics, [5])
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 1) == ids([5])
    with VerdictReader(kafka_topics, group="another") as reader:
        assert read(reader, 6) == ids(range(6)), "each group reads for itself"


def test_a_reader_hands_its_models_over_and_loses_nothing(kafka_topics: KafkaSettings) -> None:
    """A second reader of the group takes a share; verdicts that the first did not commit come again, to one of them."""
    models = [f"m{number}" for number in range(8)]
    for model in models:
        publish(kafka_topics, range(2), model)
    everything = {event_id for model in models for event_id in ids(range(2), model)}
    with VerdictReader(kafka_topics, group="service") as first:
        assert set(read(first, 16)) == everything
        with VerdictReader(kafka_topics, group="service") as second:
            shares: tuple[set[str], set[str]] = (set(), set())
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not (all(shares) and shares[0] | shares[1] == everything):
                for reader, share in zip((first, second), shares, strict=True):
                    share |= {received.event_id for received in reader.read(0.2)}
                assert time.monotonic() < deadline, shares
            assert first.commit()
            assert second.commit()
    publish(kafka_topics, range(2, 3), "m0")
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 1) == ids([2], "m0")


def test_aborted_verdicts_are_not_seen(kafka_topics: KafkaSettings) -> None:
    """INTAKE may fail within a transaction and decide again: only committed verdicts are read."""
    producer = Producer(producer_config(kafka_topics) | {"transactional.id": kafka_topics.prefix + "intake/0"})
    producer.init_transactions(PATIENCE_SECONDS)
    topic = kafka_topics.prefix + VERDICTS.name
    for number, commits in enumerate([False, True, False, True]):
        producer.begin_transaction()
        producer.produce(topic, encode([verdict(number)]), "churn")
        producer.flush(PATIENCE_SECONDS)
        if commits:
            producer.commit_transaction(PATIENCE_SECONDS)
        else:
            producer.abort_transaction(PATIENCE_SECONDS)
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 2) == ids([1, 3])


@pytest.mark.parametrize("models", ["churn", ["churn", "fraud"], ()])
def test_only_the_asked_models(kafka_topics: KafkaSettings, models: Any) -> None:
    """A reader of one, several or all models skips the verdicts of others, and commits them too."""
    for model in ("churn", "fraud", "spam", "churn"):
        publish(kafka_topics, [0], model)
    asked = {"churn": ["churn"] * 2, (): ["churn"] * 2 + ["fraud", "spam"]}.get(
        models if isinstance(models, str) else tuple(models), ["churn"] * 2 + ["fraud"]
    )
    with VerdictReader(kafka_topics, group="service", models=models) as reader:
        assert sorted(read(reader, len(asked))) == sorted(f"{model}-0" for model in asked)
        assert reader.read(0.5) == []


def test_a_read_waits_while_only_others_come(kafka_topics: KafkaSettings) -> None:
    """Verdicts of other models do not end the wait; when the time is over, read returns an empty list."""
    publish(kafka_topics, [0], "spam")
    with VerdictReader(kafka_topics, group="service", models="churn") as reader:
        assert reader.read(5.0) == []
        later = threading.Timer(0.5, publish, (kafka_topics, [1, 2], "spam"))
        last = threading.Timer(1.0, publish, (kafka_topics, [3], "churn"))
        later.start()
        last.start()
        assert [received.model for received in reader.read(PATIENCE_SECONDS)] == ["churn"]


def test_a_read_is_bounded(kafka_topics: KafkaSettings) -> None:
    """One read takes at most so many whole messages; the next reads return the rest."""
    outbox = Outbox(kafka_topics)
    for number in range(0, 60, 3):
        outbox.send(VERDICTS, "churn", [verdict(number + index) for index in range(3)])
    outbox.flush()
    settings = VerdictReaderSettings(read_messages_max=1)
    with VerdictReader(kafka_topics, group="service", settings=settings) as reader:
        reads: list[list[Verdict]] = []
        while len(reads) < 20:
            reads.append(reader.read(PATIENCE_SECONDS))
    assert [len(verdicts) for verdicts in reads] == [3] * 20
    assert [received.event_id for some in reads for received in some] == ids(range(60))


def test_what_is_no_verdict_is_counted_and_passed_over(kafka_topics: KafkaSettings) -> None:
    """A message that is no verdict stops nothing, and does not come again."""
    outbox = Outbox(kafka_topics)
    for value in (b"no json", b'{"event_id": 7}', None, verdict(1)):
        outbox.send(VERDICTS, "churn", value)
    outbox.flush()
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 1) == ids([1])
        assert reader.unreadable == 3
        assert reader.commit()
    publish(kafka_topics, [2])
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 1) == ids([2])
        assert reader.unreadable == 0


def test_an_odd_verdict_of_an_array_costs_no_other(kafka_topics: KafkaSettings) -> None:
    """A wrong element of an array is counted, and the other elements are read."""
    first, second = encode(verdict(1)), encode(verdict(2))
    outbox = Outbox(kafka_topics)
    outbox.send(VERDICTS, "churn", b"[" + first + b',{"event_id":NaN},{"event_id":7},' + second + b"]")
    outbox.send(VERDICTS, "churn", b'[{"event_id":"x]')
    outbox.send(VERDICTS, "churn", verdict(3))
    outbox.flush()
    with VerdictReader(kafka_topics, group="service") as reader:
        assert read(reader, 3) == ids([1, 2, 3])
        assert reader.unreadable == 3


def test_a_new_group_may_begin_behind_what_is_there(kafka_topics: KafkaSettings) -> None:
    """With ``latest`` a new group begins with the verdicts that come from now on."""
    publish(kafka_topics, range(3))
    with VerdictReader(kafka_topics, group="service", settings=VerdictReaderSettings(begin="latest")) as reader:
        number, event_ids = 3, []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not event_ids:
            publish(kafka_topics, [number])
            event_ids = [received.event_id for received in reader.read(0.2)]
            number += 1
            assert time.monotonic() < deadline
        assert set(event_ids) <= set(ids(range(3, number)))


def test_a_topic_that_is_not_there_is_said(kafka_prefix: KafkaSettings) -> None:
    """With a wrong prefix no verdicts come, and ``last_error`` says why."""
    with VerdictReader(kafka_prefix, group="service") as reader:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reader.last_error:
            assert reader.read(0.2) == []
            assert time.monotonic() < deadline
        assert "nknown topic" in reader.last_error


def test_a_wrong_setting_is_one_line() -> None:
    """Errors name our settings with their bounds, and librdkafka's settings with its own reason."""
    with pytest.raises(ValueError, match=r"^VerdictReaderSettings: .*`\$\.read_messages_max`$"):
        VerdictReader(KafkaSettings(), group="g", settings=VerdictReaderSettings(read_messages_max=0))
    with pytest.raises(WrongClientSetting, match=r"no\.such\.setting"):
        VerdictReader(KafkaSettings(client={"no.such.setting": "1"}), group="g")
    with pytest.raises(ValueError, match=r"^group is empty"):
        VerdictReader(KafkaSettings(), group="")


def test_a_message_beyond_the_limit_is_left_out(kafka_topics: KafkaSettings) -> None:
    """A small message that unpacks to more than ``kafka.message_bytes_max`` is counted, logged and not decoded."""
    publish(kafka_topics, range(1))
    small = msgspec.structs.replace(kafka_topics, message_bytes_max=64 * 1024)
    producer = Producer({**producer_config(kafka_topics), "compression.type": "gzip"})
    large = encode([verdict(number) for number in range(1_000)])
    assert len(large) > small.message_bytes_max
    producer.produce(kafka_topics.prefix + VERDICTS.name, large, b"churn")
    assert producer.flush(30) == 0
    publish(kafka_topics, range(1, 2))
    with VerdictReader(small, group="small") as reader:
        assert read(reader, 2) == ids(range(2))
        assert reader.unreadable == 1


def test_arrow_and_json_are_read_in_order(kafka_topics: KafkaSettings) -> None:
    """Messages of both encodings give the same verdicts; a wrong row and a damaged stream are counted."""
    verdicts = [verdict(number) for number in range(6)]
    (data,) = verdict_streams(batch_of_verdicts(verdicts[1:4]), rows_max=10, bytes_max=2**20)
    wrong = verdict_batch(1, constant={"model": "churn", "decision": "maybe", "uncertainty": 0.5}, columns={
        "event_id": ["x"], "time": [1], "inclusion_probability": [0.5], "decided_at": [1]
    })  # fmt: skip
    outbox = Outbox(kafka_topics)
    outbox.send(VERDICTS, "churn", verdicts[:1])
    outbox.send(VERDICTS, "churn", data)
    outbox.send(VERDICTS, "churn", next(iter(verdict_streams(wrong, rows_max=10, bytes_max=2**20))))
    outbox.send(VERDICTS, "churn", data[:-100])
    outbox.send(VERDICTS, "churn", verdicts[4:])
    outbox.flush()
    with VerdictReader(kafka_topics, group="service", models="churn") as reader:
        found: list[Verdict] = []
        while len(found) < 6:
            found += reader.read(PATIENCE_SECONDS)
        assert found == verdicts
        assert reader.unreadable == 2


def test_a_missing_package_is_one_line(kafka_topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow verdicts that came as Arrow are not passed over: the error says what to install."""
    outbox = Outbox(kafka_topics)
    outbox.send(VERDICTS, "churn", b"\xff\xff\xff\xff")
    outbox.flush()
    monkeypatch.setitem(sys.modules, "streams.verdicts.arrow_messages", None)
    with VerdictReader(kafka_topics, group="service") as reader:
        with pytest.raises(PackageMissing, match=r"^verdicts came as Arrow: pip install pyarrow numpy \(.*\)$"):
            read(reader, 1)
        assert reader.commit()
