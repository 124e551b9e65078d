"""The producer on a real Kafka: no event is lost in silence, no call waits for ever."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.codec import decode, decode_one_or_many
from schemas.topics import LABELS, PREDICTIONS, Topic
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.client import Counts, DeliveryReport, PredictionProducer
from streams.consume.log_reader import LogReader
from streams.errors import BufferFull, NotDelivered, WrongClientSetting, WrongEvent
from streams.records import Record
from streams.settings import KafkaSettings, ProducerSettings
from tests.support.kafka_nodes import kill_node, restart_node
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.servers

IMPATIENT = ProducerSettings(close_seconds_max=0.1, wait_seconds_max=0.3)


def prediction(number: int, **changes: Any) -> Prediction:
    whole: dict[str, Any] = {
        "event_id": f"e-{number}",
        "model": "churn",
        "time": int(time.time() * 1000),
        "features": {"age": number % 70, "plan": "gold"},
        "prediction": "stay",
        "confidence": 0.9,
    }
    return Prediction(**(whole | changes))


def label(number: int, **changes: Any) -> Label:
    return Label(**({"event_id": f"e-{number}", "model": "churn", "label": "go", "time": 1} | changes))


def noise(kbytes: int) -> str:
    """Text of about so many KiB that compression hardly makes smaller: characters of three bytes at random."""
    draw = random.Random(kbytes)
    return "".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(kbytes * 1024 // 3))


def messages(kafka: KafkaSettings, topic: Topic) -> list[Record]:
    """All messages of a topic."""
    records: list[Record] = []
    reader = LogReader(kafka, {topic.name: records.append})
    reader.catch_up()
    reader.close()
    return records


def sent_ids(kafka: KafkaSettings) -> list[str]:
    """The event ids of all predictions, packed or not."""
    return [
        event.event_id
        for message in messages(kafka, PREDICTIONS)
        for event in decode_one_or_many(Prediction, message.value() or b"")
    ]


@pytest.fixture
def nowhere() -> Iterator[KafkaSettings]:
    """An address that refuses connections: its port is bound, and no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield KafkaSettings(bootstrap=f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A Kafka of this test's own, which it may kill."""
    with EmbeddedKafka(
        tmp_path / "kafka", EmbeddedKafkaSettings(log_retention_bytes=256 * 1024 * 1024), access=EVERYBODY
    ) as running:
        create_topics(KafkaSettings(bootstrap=running.bootstrap))
        yield running


def test_predictions_and_labels_arrive_as_they_were_given(kafka_topics: KafkaSettings) -> None:
    """The key of each message is its event id, and its report says where it is."""
    reports: list[DeliveryReport] = []
    given = prediction(1, slices={"region": "EU"}, risk=0.25, content="a call")
    with PredictionProducer(kafka_topics, on_delivery=reports.append) as producer:
        assert producer.send(given)
        assert producer.send_label(label(1))
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(delivered=2)
        assert producer.last_failure is None
    (message,) = messages(kafka_topics, PREDICTIONS)
    assert message.key() == b"e-1"
    assert decode(Prediction, message.value() or b"") == given
    (other,) = messages(kafka_topics, LABELS)
    assert other.key() == b"e-1"
    assert decode(Label, other.value() or b"") == label(1)
    delivered = {report.topic: (report.event_ids, report.partition, report.offset, report.data) for report in reports}
    assert delivered == {
        "predictions": (("e-1",), message.partition(), message.offset(), message.value()),
        "labels": (("e-1",), other.partition(), other.offset(), other.value()),
    }
    assert all(report.delivered for report in reports)


def test_arrays_are_bounded_by_events_and_by_bytes(kafka_topics: KafkaSettings) -> None:
    """Each event arrives once and in order; no array exceeds a bound; a larger event is a message of its own."""
    settings = ProducerSettings(array_events_max=10, array_kbytes_max=4)
    small = [prediction(number) for number in range(25)]
    fat = [prediction(number, content=noise(3)) for number in range(25, 30)]
    huge = [prediction(30, content=noise(100))]
    with PredictionProducer(kafka_topics, settings) as producer:
        assert producer.send_many(small + fat + huge) == 31
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(delivered=31)
    records = messages(kafka_topics, PREDICTIONS)
    arrays = [decode_one_or_many(Prediction, message.value() or b"") for message in records]
    assert sorted(len(array) for array in arrays) == [1, 1, 1, 1, 1, 1, 5, 10, 10]
    for message, array in zip(records, arrays, strict=True):
        assert message.key() == array[0].event_id.encode()
        numbers = [int(event.event_id.removeprefix("e-")) for event in array]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(message.value() or b"") <= 4 * 1024 or len(array) == 1
    assert Counter(event.event_id for array in arrays for event in array) == {f"e-{n}": 1 for n in range(31)}


def test_a_wrong_event_is_refused_where_it_is_sent(kafka_topics: KafkaSettings) -> None:
    """The error names the wrong field; the wrong event is not sent, those before it are."""
    with PredictionProducer(kafka_topics) as producer:
        said = "prediction 'e-1': got 1.5; expected a number from 0 to 1 (a rounding up to 1.02 is taken as 1"
        with pytest.raises(ValueError, match=f"^{re.escape(said)}.* - at `.*confidence`$"):
            producer.send(prediction(1, confidence=1.5))
        with pytest.raises(WrongEvent, match=r"^label 'e-1': .*`\$\.purpose`$"):
            producer.send_label(label(1, purpose="train"))
        mixed = [prediction(2), prediction(3), prediction(4, prediction=0.5), prediction(5)]
        with pytest.raises(WrongEvent, match=r"^prediction 'e-4' at index 2: .*`\$\.prediction`$") as caught:
            producer.send_many(mixed)
        assert (caught.value.index, caught.value.field) == (2, "$.prediction")
        with pytest.raises(TypeError, match=r"expected a schemas\.wire\.prediction\.Prediction, got dict"):
            producer.send({"event_id": "e-6"})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"expected a schemas\.wire\.label\.Label, got Prediction"):
            producer.send_label(prediction(6))  # type: ignore[arg-type]
    assert sorted(sent_ids(kafka_topics)) == ["e-2", "e-3"]


def test_a_message_that_the_broker_refuses_is_reported_with_its_events(kafka_prefix: KafkaSettings) -> None:
    """A topic refuses a message that is too large for it: the report has the reason, the events, and the bytes."""
    create_topics(msgspec.structs.replace(kafka_prefix, message_bytes_max=64 * 1024))
    reports: list[DeliveryReport] = []
    with PredictionProducer(kafka_prefix, on_delivery=reports.append) as producer:
        producer.send(prediction(1, content=noise(200)))
        producer.send_many([prediction(2, content=noise(80)), prediction(3, content=noise(80))])
        producer.flush(PATIENCE_SECONDS)
        producer.send(prediction(4))
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(delivered=1, failed=3)
        assert producer.last_failure is not None
    failed = {report.event_ids: report for report in reports if not report.delivered}
    assert set(failed) == {("e-1",), ("e-2", "e-3")}
    for event_ids, report in failed.items():
        assert "too large" in report.reason
        assert (report.partition, report.offset) == (-1, -1)
        assert tuple(event.event_id for event in decode_one_or_many(Prediction, report.data)) == event_ids
    assert sent_ids(kafka_prefix) == ["e-4"]


def test_a_topic_that_is_not_there_is_said(kafka_prefix: KafkaSettings) -> None:
    """Without the topic (a wrong prefix, say) events fail for that reason, and close raises it without on_delivery."""
    hasty = msgspec.structs.replace(kafka_prefix, client={"topic.metadata.propagation.max.ms": "100"})
    producer = PredictionProducer(hasty)
    producer.send(prediction(1))
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert producer.counts == Counts(failed=1)
    assert producer.send(prediction(2)) is False, "the client knows by now and refuses at once"
    assert producer.counts == Counts(failed=2)
    with pytest.raises(
        NotDelivered, match=r"^2 events were not delivered and 0 were dropped, 'e-2' .*[Uu]nknown topic"
    ):
        producer.close()


def test_waiting_at_the_bound_ends(nowhere: KafkaSettings) -> None:
    """While no broker answers, send waits for room for its time and then raises; buffered events stay buffered."""
    settings = msgspec.structs.replace(IMPATIENT, buffered_events_max=3)
    reports: list[DeliveryReport] = []
    with PredictionProducer(nowhere, settings, on_delivery=reports.append) as producer:
        assert [producer.send(prediction(number)) for number in range(3)] == [True] * 3
        begin = time.monotonic()
        with pytest.raises(BufferFull, match=r"full \(3 events, .*no room for 'e-3' within 0\.3 s: Kafka at 127.*away"):
            producer.send(prediction(3))
        assert time.monotonic() - begin >= 0.3
        with pytest.raises(BufferFull):
            producer.send_label(label(3))
        assert producer.counts == Counts(buffered=3)
    assert producer.counts == Counts(failed=3)
    assert [report.reason for report in reports] == ["the producer was closed before Kafka had it"] * 3


def test_dropping_at_the_bound_is_counted_and_reported(nowhere: KafkaSettings) -> None:
    """With ``drop``, events at the bound are dropped at once, and reported."""
    settings = msgspec.structs.replace(IMPATIENT, buffered_events_max=4, array_events_max=2, at_bound="drop")
    reports: list[DeliveryReport] = []
    with PredictionProducer(nowhere, settings, on_delivery=reports.append) as producer:
        assert producer.send_many([prediction(number) for number in range(3)]) == 3
        assert producer.send_many([prediction(number) for number in range(3, 6)]) == 1, "the array of two has no room"
        assert producer.send(prediction(6)) is False
        assert producer.counts == Counts(dropped=3, buffered=4)
        assert [report.event_ids for report in reports] == [("e-3", "e-4"), ("e-6",)]
        assert all(report.reason.startswith("dropped: the buffer is full (") for report in reports)
        assert decode(Prediction, reports[1].data).event_id == "e-6"
    assert producer.counts == Counts(dropped=3, failed=4)


def test_the_bound_counts_bytes(nowhere: KafkaSettings) -> None:
    """A few large events fill the buffer too; an event larger than the buffer is accepted while it is empty."""
    settings = msgspec.structs.replace(IMPATIENT, buffered_kbytes_max=100, at_bound="drop")
    with PredictionProducer(nowhere, settings, on_delivery=lambda _: None) as producer:
        assert [producer.send(prediction(n, content=noise(40))) for n in range(4)] == [True, True, False, False]
        assert producer.send(prediction(4)), "a small one still has room"
    with PredictionProducer(nowhere, settings, on_delivery=lambda _: None) as producer:
        assert producer.send(prediction(5, content=noise(200)))
        assert not producer.send(prediction(6))


def test_what_librdkafka_holds_less_of_is_a_bound_too(nowhere: KafkaSettings) -> None:
    """A bound in ``kafka.client`` gives the same error."""
    kafka = msgspec.structs.replace(nowhere, client={"queue.buffering.max.messages": "2"})
    with PredictionProducer(kafka, IMPATIENT, on_delivery=lambda _: None) as producer:
        assert producer.send_many([prediction(1)]) == producer.send_many([prediction(2)]) == 1
        with pytest.raises(BufferFull) as caught:
            producer.send_many([prediction(3)])
        assert caught.value.taken == 0


def test_how_many_were_taken_before_the_bound(nowhere: KafkaSettings) -> None:
    """The error says how many of the events were buffered."""
    settings = msgspec.structs.replace(IMPATIENT, buffered_events_max=5, array_events_max=2)
    with PredictionProducer(nowhere, settings, on_delivery=lambda _: None) as producer:
        with pytest.raises(BufferFull) as caught:
            producer.send_many(prediction(number) for number in range(100))
        assert caught.value.taken == 4
        assert producer.counts == Counts(buffered=4)


def test_an_event_that_cannot_be_delivered_in_time_fails(nowhere: KafkaSettings) -> None:
    """Delivery is not tried for ever; after it failed, there is room in the buffer again."""
    settings = msgspec.structs.replace(IMPATIENT, delivery_seconds_max=1, linger_ms=1)
    with PredictionProducer(nowhere, settings) as producer:
        producer.send(prediction(1))
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(failed=1)
        assert producer.last_failure is not None
        assert "timed out" in producer.last_failure.reason
        with pytest.raises(NotDelivered, match=r"^1 events were not delivered"):
            producer.close()


def test_a_broker_that_comes_back_gets_everything_once(broker: EmbeddedKafka) -> None:
    """Kafka is killed and started again while events are sent: send waits at the bound, every event arrives once."""
    kafka = KafkaSettings(bootstrap=broker.bootstrap)
    settings = ProducerSettings(buffered_events_max=200, wait_seconds_max=PATIENCE_SECONDS)
    with PredictionProducer(kafka, settings) as producer:
        failures: list[BaseException] = []

        def send(begin: int) -> None:
            try:
                for number in range(begin, begin + 1000):
                    assert producer.send(prediction(number))
            except BaseException as error:  # noqa: BLE001  # the test looks at it
                failures.append(error)

        senders = [threading.Thread(target=send, args=(begin,)) for begin in (0, 1000)]
        for sender in senders:
            sender.start()
        eventually("some have arrived", lambda: producer.counts.delivered > 100)
        kill_node(broker)
        eventually("the buffer is full", lambda: producer.counts.buffered == 200)
        restart_node(broker)
        for sender in senders:
            sender.join(PATIENCE_SECONDS)
        assert not failures
        assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(delivered=2000)
    assert Counter(sent_ids(kafka)) == {f"e-{number}": 1 for number in range(2000)}


def test_a_callback_that_fails_stops_nothing(kafka_topics: KafkaSettings) -> None:
    """An exception of on_delivery is logged; reports and counts go on."""
    seen: list[DeliveryReport] = []

    def fail(report: DeliveryReport) -> None:
        seen.append(report)
        raise KeyError("mine")

    with PredictionProducer(kafka_topics, on_delivery=fail) as producer:
        for number in range(3):
            producer.send(prediction(number))
            assert producer.flush(PATIENCE_SECONDS) == 0
        assert producer.counts == Counts(delivered=3)
    assert len(seen) == 3


def test_sending_again_from_the_callback_waits_for_nobody(nowhere: KafkaSettings) -> None:
    """send in the producer's own thread, which makes room, does not wait: at the bound it raises at once."""
    settings = msgspec.structs.replace(
        IMPATIENT, buffered_events_max=1, delivery_seconds_max=1, wait_seconds_max=3600, linger_ms=1
    )
    refused: list[BufferFull] = []

    def again(report: DeliveryReport) -> None:
        try:
            producer.send(decode(Prediction, report.data))
        except BufferFull as error:
            refused.append(error)

    with PredictionProducer(nowhere, settings, on_delivery=again) as producer:
        producer.send(prediction(1))
        eventually("the report came", lambda: refused)


def test_nothing_is_sent_after_the_end(kafka_topics: KafkaSettings) -> None:
    """A closed producer refuses events; a second close does nothing."""
    producer = PredictionProducer(kafka_topics)
    producer.close()
    producer.close()
    with pytest.raises(RuntimeError, match="closed"):
        producer.send(prediction(1))


def test_an_error_of_the_body_stays_the_error(nowhere: KafkaSettings) -> None:
    """NotDelivered does not hide the error of the block."""
    other = PredictionProducer(nowhere, IMPATIENT)
    with pytest.raises(KeyError, match="the body's own"):
        send_and_fail(other)
    assert other.counts == Counts(failed=1)


def send_and_fail(producer: PredictionProducer) -> None:
    with producer:
        producer.send(prediction(1))
        raise KeyError("the body's own")


def test_a_wrong_setting_is_one_line() -> None:
    """Errors name our settings with their bounds, and librdkafka's settings with its own reason."""
    with pytest.raises(ValueError, match=r"^ProducerSettings: .*`\$\.linger_ms`$"):
        PredictionProducer(KafkaSettings(), ProducerSettings(linger_ms=-1))
    with pytest.raises(ValueError, match=r"^bootstrap: '' is no address; expected HOST:PORT$"):
        PredictionProducer(KafkaSettings(bootstrap=""))
    with pytest.raises(WrongClientSetting, match=r"no\.such\.setting"):
        PredictionProducer(KafkaSettings(client={"no.such.setting": "1"}))
