"""A record that its listener cannot use is one line in the log, and the reading goes on."""

from __future__ import annotations

import pytest
import structlog

from schemas.codec import decode
from schemas.wire.person import Person
from streams.consume.record_guard import current_position, guarded
from streams.errors import KafkaUnreachable
from tests.support.plain_record import PlainRecord


def fails_with(error: Exception) -> object:
    def hear(_record: object) -> None:
        raise error

    return hear


@pytest.mark.parametrize(
    "error", [ValueError("no\nsuch\x1b[2J"), RecursionError("deep"), KeyError("x"), OverflowError()]
)
def test_any_fault_of_a_record_is_one_printable_line_with_its_position(error: Exception) -> None:
    """Topic, partition, offset and reason; no traceback, no control characters."""
    record = PlainRecord(b"x", name="people", partition_number=3, number=41)
    with structlog.testing.capture_logs() as lines:
        guarded(fails_with(error))(record)  # type: ignore[arg-type]
    ((line),) = lines
    assert (line["topic"], line["partition"], line["offset"]) == ("watchloop.people", 3, 41)
    assert type(error).__name__ in line["why"]
    assert line["why"].isprintable()
    assert "exc_info" not in line


def test_a_malformed_value_says_which_field() -> None:
    """The reason is the codec's own."""
    with structlog.testing.capture_logs() as lines:
        guarded(lambda record: decode(Person, record.value() or b""))(PlainRecord(b'{"person_id": 1}'))  # type: ignore[arg-type]
    assert lines[0]["why"] == "Expected `str`, got `int` - at `$.person_id`"


def test_a_record_beyond_the_limit_is_not_decoded() -> None:
    """What a compressed batch holds is known once it is unpacked: one line says how much, and what may be."""
    heard: list[object] = []
    hear = guarded(heard.append, 1_000)
    with structlog.testing.capture_logs() as lines:
        hear(PlainRecord(b"x" * 1_001, name="people"))
        hear(PlainRecord(b"x" * 1_000, name="people"))
        hear(PlainRecord(None, name="people"))
    assert len(heard) == 2
    assert [line["why"] for line in lines] == [
        "1001 bytes once unpacked; a message may have 1000 (kafka.message_bytes_max)"
    ]


def test_trouble_of_kafka_itself_passes() -> None:
    """It is not the record's fault, and the reader must learn of it."""
    with pytest.raises(KafkaUnreachable):
        guarded(fails_with(KafkaUnreachable("gone")))(PlainRecord(b"x"))  # type: ignore[arg-type]


def test_the_position_is_known_while_a_record_is_heard() -> None:
    """Lines that a handler writes itself can contain the position of the record."""
    positions = []
    guarded(lambda _record: positions.append(current_position()))(PlainRecord(b"x", name="alerts", number=7))
    assert positions == [{"topic": "watchloop.alerts", "partition": 0, "offset": 7}]
    assert current_position() == {}
