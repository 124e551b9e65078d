"""RECORD on a real ClickHouse: every row once, whatever happens to either."""

from __future__ import annotations

import json
import pathlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from plain_record import PREFIX, CollectingOutbox, PlainRecord
from structlog.testing import capture_logs

from agents.groups import RECORDED
from agents.record import RUN_MESSAGES_MAX, Recorder
from schemas.codec import encode
from schemas.label import Label
from schemas.reject import Reject
from schemas.topics import LABELS, PREDICTIONS, REJECTS, VERDICTS
from schemas.verdict import Verdict
from streams.batches import AssignedPartition, HandBack
from streams.errors import KafkaUnreachable, TopicReplaced
from streams.rejects import reject_of
from warehouse.client import Warehouse
from warehouse.embedded import EmbeddedClickHouse
from warehouse.errors import ClickHouseUnreachable, NoRoom
from warehouse.inserts import Insert
from warehouse.settings import ClickHouseSettings, EmbeddedClickHouseSettings
from warehouse.tables import table_of

pytestmark = pytest.mark.servers

GOLDEN = pathlib.Path(__file__).parent.parent.parent / "schemas" / "golden"
IDS = {topic.name: f"id-of-{topic.name}" for topic in RECORDED}
PASSWORDS = {"watchloop": "writer", "analyst": "reader"}


def recorder(
    warehouse: Warehouse,
    stop: threading.Event | None = None,
    topic_ids: Callable[[], dict[str, str]] = lambda: IDS,
) -> Recorder:
    return Recorder(
        warehouse,
        PREFIX,
        topic_ids=topic_ids,
        future_seconds_max=10**9,
        stop=stop or threading.Event(),
        clock=lambda: 1_700_000_000.0,
    )


def places(*names: str) -> list[AssignedPartition]:
    return [AssignedPartition(name, 0, None) for name in names]


def label(number: int, text: str = "1") -> bytes:
    return encode(Label(event_id=f"e-{number}", model="m", label=text, time=1_700_000_000_000))


def messages(name: str, values: Sequence[bytes | None], begin: int = 0) -> list[PlainRecord]:
    return [PlainRecord(value, name=name, number=begin + number) for number, value in enumerate(values)]


def hand(one: Recorder, records: Sequence[PlainRecord]) -> CollectingOutbox:
    outbox = CollectingOutbox()
    one.handle(records, outbox)  # type: ignore[arg-type]
    return outbox


def ids(warehouse: Warehouse, table: str = "labels") -> list[str]:
    return [row["event_id"] for row in warehouse.query(f"SELECT event_id FROM {table} ORDER BY _offset, _index")]


def test_a_sample_of_every_topic_goes_in(warehouse: Warehouse) -> None:
    """What was ever published on a topic finds its table and its columns."""
    one = recorder(warehouse)
    one.assigned(places(*IDS))
    stored = 0
    for topic in RECORDED:
        samples = [file.read_bytes() for file in sorted(GOLDEN.glob(f"{topic.name}.*json"))]
        assert samples, f"no sample of {topic.name}"
        outbox = hand(one, messages(topic.name, samples))
        assert outbox.sent == [], topic.name
        sql = f"SELECT count() AS n FROM `{table_of(topic.name)}` WHERE _topic_id = '{IDS[topic.name]}'"
        rows = warehouse.query(sql)[0]["n"]
        assert rows == len(samples), topic.name
        stored += rows
    assert stored >= len(RECORDED)


def test_arrays_are_taken_apart_and_tombstones_left_out(warehouse: Warehouse) -> None:
    """An array of verdicts is a row for each; a tombstone is none."""
    one = recorder(warehouse)
    one.assigned(places("verdicts"))
    verdicts = [
        Verdict(
            event_id=f"e-{n}",
            model="m",
            time=1,
            decision="accept",
            uncertainty=0.1,
            inclusion_probability=0.02,
            decided_at=2,
        )
        for n in range(5)
    ]
    hand(one, messages(VERDICTS.name, [encode(verdicts), None, encode(verdicts[:1])]))
    assert ids(warehouse, "verdicts") == ["e-0", "e-1", "e-2", "e-3", "e-4", "e-0"]


def test_a_message_that_holds_nothing_is_told_of(warehouse: Warehouse) -> None:
    """No bytes are a tombstone where a topic is compact, and an array of nothing is one of verdicts: else a Reject."""
    one = recorder(warehouse)
    one.assigned(places("verdicts", "gates", "review.events"))
    sent = [message for name in ("verdicts", "gates", "review.events") for message in messages(name, [None, b"[]"])]
    rejects = [value for value in hand(one, sent).of(REJECTS) if isinstance(value, Reject)]
    nothing, none_of_them = "empty; expected JSON", "an empty array; expected an object"
    assert [(value.source_topic, value.source_offset, value.reason) for value in rejects] == [
        ("verdicts", 0, nothing), ("gates", 0, nothing), ("gates", 1, none_of_them), ("review.events", 1, none_of_them),
    ]  # fmt: skip


def test_a_restart_goes_on_behind_what_is_stored(warehouse: Warehouse) -> None:
    """The next one begins behind the highest identity, also where the group committed less; nothing is stored twice."""
    first = recorder(warehouse)
    assert first.assigned(places("labels")) == {}
    hand(first, messages(LABELS.name, [label(n) for n in range(7)]))
    second = recorder(warehouse)
    starts = second.assigned([AssignedPartition("labels", 0, 3), AssignedPartition("labels", 1, 9)])
    assert starts == {("labels", 0): 6}
    hand(second, messages(LABELS.name, [label(n) for n in range(6, 10)], begin=6))
    assert ids(warehouse) == [f"e-{n}" for n in range(10)]
    assert recorder(warehouse).assigned([AssignedPartition("labels", 0, 50)]) == {("labels", 0): 50}


def test_a_batch_that_comes_again_adds_nothing(warehouse: Warehouse) -> None:
    """The same batch, stored and handed out again before its commit, is one."""
    one = recorder(warehouse)
    one.assigned(places("labels"))
    batch = messages(LABELS.name, [label(n) for n in range(20)])
    for _ in range(3):
        hand(one, batch)
    assert len(ids(warehouse)) == 20


def test_a_topic_created_anew_is_not_taken_for_the_old_one(warehouse: Warehouse) -> None:
    """Offsets that count from zero again are not mistaken for rows that are stored; the next one stores them."""
    known = dict(IDS)
    one = recorder(warehouse, topic_ids=lambda: dict(known))
    one.assigned(places("labels"))
    hand(one, messages(LABELS.name, [label(n) for n in range(5)]))
    known["labels"] = "another"
    with pytest.raises(TopicReplaced, match=r"labels was deleted and created anew"):
        hand(one, messages(LABELS.name, [label(n) for n in range(5, 8)]))
    again = recorder(warehouse, topic_ids=lambda: dict(known))
    assert again.assigned(places("labels")) == {}
    hand(again, messages(LABELS.name, [label(n) for n in range(5, 8)]))
    assert sorted(ids(warehouse)) == [f"e-{n}" for n in range(8)]


def test_while_kafka_does_not_say_which_topic_it_is_nothing_is_stored(warehouse: Warehouse) -> None:
    """A batch is handed back while nobody knows what its offsets count."""
    answers = iter([IDS, KafkaUnreachable("away"), IDS])

    def asked() -> dict[str, str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    one = recorder(warehouse, topic_ids=asked)
    one.assigned(places("labels"))
    with pytest.raises(HandBack):
        hand(one, messages(LABELS.name, [label(0)]))
    assert ids(warehouse) == []
    hand(one, messages(LABELS.name, [label(0)]))
    assert ids(warehouse) == ["e-0"]


def test_what_cannot_be_read_becomes_a_reject(warehouse: Warehouse) -> None:
    """Rubbish on a topic is told with its bytes and its place, and the rest is stored."""
    one = recorder(warehouse)
    one.assigned(places("verdicts"))
    sent = [msgspec.json.encode(verdict(0)), b"rubbish", b'{"event_id":"x"}', msgspec.json.encode(verdict(3))]
    rejects = [value for value in hand(one, messages(VERDICTS.name, sent)).of(REJECTS) if isinstance(value, Reject)]
    assert [(r.original, r.source_offset, r.role) for r in rejects] == [
        (b"rubbish", 1, "record"),
        (b'{"event_id":"x"}', 2, "record"),
    ]
    assert ids(warehouse, "verdicts") == ["e-0", "e-3"]


def test_a_wrong_label_is_rejected_by_who_learns_from_it(warehouse: Warehouse) -> None:
    """A label that LEARN rejects, an array of them too, is neither told of a second time nor stored."""
    one = recorder(warehouse)
    one.assigned(places("labels"))
    sent = [label(0), b"rubbish", b"[" + label(1) + b"]", label(3)]
    assert hand(one, messages(LABELS.name, sent)).of(REJECTS) == []
    assert ids(warehouse) == ["e-0", "e-3"]


def test_a_row_that_clickhouse_refuses_becomes_a_reject(warehouse: Warehouse) -> None:
    """A row that the table does not take is set apart with ClickHouse's reason; its neighbours are stored."""
    warehouse.command("ALTER TABLE labels MODIFY COLUMN label UInt8")
    one = recorder(warehouse)
    one.assigned(places("labels"))
    outbox = hand(one, messages(LABELS.name, [label(n, "no number" if n == 2 else "1") for n in range(5)]))
    (reject,) = outbox.of(REJECTS)
    assert isinstance(reject, Reject)
    assert (reject.original, reject.source_offset) == (label(2, "no number"), 2)
    assert reject.reason.startswith("ClickHouse: ")
    assert ids(warehouse) == ["e-0", "e-1", "e-3", "e-4"]


def prediction(number: int, **other: Any) -> dict[str, Any]:
    plain = {"model": "m", "time": 1_700_000_000_000, "features": {"a": 1.5}, "prediction": "x", "confidence": 0.5}
    return {"event_id": f"e-{number}", **plain, **other}


def verdict(number: int, **other: Any) -> dict[str, Any]:
    plain = {"model": "m", "time": 1, "decision": "accept", "uncertainty": 0.1, "inclusion_probability": 0.02}
    return {"event_id": f"e-{number}", "decided_at": 2, **plain, **other}


@pytest.mark.parametrize(
    ("name", "value", "rule", "bad"),
    [
        ("predictions", prediction, "features['a'] < 5", {"features": {"a": 7}}),
        ("verdicts", verdict, "task_id != 'x'", {"task_id": "x"}),
    ],
)
def test_one_of_many_that_clickhouse_refuses(
    name: str, value: Callable[..., Any], rule: str, bad: dict[str, Any], warehouse: Warehouse
) -> None:
    """Elements that break a rule of the table become rejects of their own; the rest of their messages is stored."""
    warehouse.command(f"ALTER TABLE {name} ADD CONSTRAINT ours CHECK {rule}")
    one = recorder(warehouse)
    one.assigned(places(name))
    array = [value(n, **(bad if n in (3, 5) else {})) for n in range(8)]
    sent = [msgspec.json.encode(part) for part in (array, value(8), value(9, **bad), value(10))]
    rejects = [r for r in hand(one, messages(name, sent)).of(REJECTS) if isinstance(r, Reject)]
    assert [(r.source_offset, r.source_index, r.original) for r in rejects] == [
        (0, 3, msgspec.json.encode(array[3])), (0, 5, msgspec.json.encode(array[5])), (2, 0, sent[2]),
    ]  # fmt: skip
    assert all("ours" in r.reason for r in rejects)
    assert ids(warehouse, name) == [f"e-{n}" for n in (0, 1, 2, 4, 6, 7, 8, 10)]


def test_many_refused_rows_of_a_message_are_summed_up(warehouse: Warehouse) -> None:
    """INTAKE's rule is RECORD's: a hundred of a message have a Reject each, the others one, told before the next."""
    warehouse.command("ALTER TABLE verdicts ADD CONSTRAINT ours CHECK task_id != 'x'")
    one = recorder(warehouse)
    one.assigned(places("verdicts"))
    array = [verdict(n, task_id="x" * (n % 2)) for n in range(300)]
    last = verdict(300, task_id="x")
    sent = [msgspec.json.encode(part) for part in (array, last, verdict(301))]
    rejects = [r for r in hand(one, messages(VERDICTS.name, sent)).of(REJECTS) if isinstance(r, Reject)]
    assert [(r.source_offset, r.source_index) for r in rejects[:100]] == [(0, 2 * n + 1) for n in range(100)]
    assert [(r.elements, r.source_index, r.source_index_last) for r in rejects[100:]] == [(50, 201, 299), (1, 0, None)]
    assert json.loads(rejects[100].original) == array[201::2]
    assert rejects[101].original == sent[1]
    assert len(ids(warehouse, "verdicts")) == 151


def test_a_message_that_was_stored_in_part_is_stored_whole(warehouse: Warehouse) -> None:
    """ClickHouse goes away while a refused array is being halved; the next one stores the rest and tells of the bad."""
    warehouse.command("ALTER TABLE verdicts ADD CONSTRAINT ours CHECK task_id != 'x'")
    sent = messages(VERDICTS.name, [msgspec.json.encode([verdict(n, task_id="x" * (n == 5)) for n in range(8)])])
    write, written = warehouse.write, list[str]()

    def failing(table: str, insert: Insert) -> None:
        if len(written) == 3:
            raise ClickHouseUnreachable("gone")
        written.append(insert.token)
        write(table, insert)

    first = recorder(warehouse)
    first.assigned(places("verdicts"))
    first.pause = lambda seconds: False
    warehouse.write = failing  # type: ignore[method-assign]
    with pytest.raises(HandBack):
        hand(first, sent)
    warehouse.write = write  # type: ignore[method-assign]
    assert ids(warehouse, "verdicts") == ["e-0", "e-1", "e-2", "e-3"]

    second = recorder(warehouse)
    assert second.assigned(places("verdicts")) == {("verdicts", 0): 0}
    (reject,) = hand(second, sent).of(REJECTS)
    assert isinstance(reject, Reject)
    assert reject.source_index == 5
    assert ids(warehouse, "verdicts") == [f"e-{n}" for n in (0, 1, 2, 3, 4, 6, 7)]
    third = recorder(warehouse)
    third.assigned(places("verdicts"))
    hand(third, sent)
    assert len(ids(warehouse, "verdicts")) == 7


def test_a_prediction_that_intake_refused_is_a_row_that_its_reject_names(warehouse: Warehouse) -> None:
    """A model too many: the prediction is kept, has no verdict, and the reason is found by its identity."""
    one = recorder(warehouse)
    one.assigned(places("predictions", "verdicts", "rejects"))
    (sent,) = messages("predictions", [msgspec.json.encode([prediction(0), prediction(1, model="other")])], begin=7)
    refused = reject_of(sent, PREFIX, role="intake", reason="a model too many", now_ms=0, original=b"{}", index=1)
    hand(one, [sent, *messages("verdicts", [msgspec.json.encode(verdict(0))])])
    hand(one, messages("rejects", [encode(refused)]))
    rows = warehouse.query(
        "SELECT p.event_id AS event_id, r.reason AS reason FROM predictions AS p"
        " LEFT ANTI JOIN verdicts AS v ON v.model = p.model AND v.event_id = p.event_id"
        " LEFT JOIN (SELECT * FROM rejects WHERE source_topic = 'predictions') AS r"
        " ON r.source_partition = p._partition AND r.source_offset = p._offset AND r.source_index = p._index"
    )
    assert rows == [{"event_id": "e-1", "reason": "a model too many"}]


class TellingOutbox(CollectingOutbox):
    """Writes down how many rows were stored when rejects were known to have arrived."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self.warehouse = warehouse
        self.stored_when_told: list[int] = []

    def flush(self, seconds_max: float = 30.0) -> None:
        self.stored_when_told.append(len(ids(self.warehouse, "verdicts")))


def test_rejects_arrive_before_what_is_behind_them_is_stored(warehouse: Warehouse) -> None:
    """What is stored is not read again after a crash, so nothing behind a reject may be stored before it is told."""
    outbox = TellingOutbox(warehouse)
    values = [msgspec.json.encode(verdict(n)) for n in range(3 * RUN_MESSAGES_MAX)]
    values[RUN_MESSAGES_MAX] = b"rubbish"
    many = Warehouse(msgspec.structs.replace(warehouse.settings, insert_rows_max=RUN_MESSAGES_MAX))
    one = recorder(many)
    one.assigned(places("verdicts"))
    one.handle(messages(VERDICTS.name, values), outbox)  # type: ignore[arg-type]
    assert len(outbox.of(REJECTS)) == len(outbox.stored_when_told) == 1
    assert outbox.stored_when_told[0] <= RUN_MESSAGES_MAX
    assert len(ids(warehouse, "verdicts")) == 3 * RUN_MESSAGES_MAX - 1


def test_nothing_overtakes_an_insert_that_fails(warehouse: Warehouse) -> None:
    """While an insert fails the next one, already made, waits: stored rows have no hole, and all come in the end."""
    small = Warehouse(msgspec.structs.replace(warehouse.settings, insert_rows_max=10))
    write, stored, failures = small.write, list[int](), list[list[str]]()

    def failing(table: str, insert: Insert) -> None:
        if len(stored) == 3 and len(failures) < 3:
            failures.append(ids(warehouse))
            raise ClickHouseUnreachable("gone")
        write(table, insert)
        stored.append(int(insert.offsets[-1]))

    small.write = failing  # type: ignore[method-assign]
    one = recorder(small)
    one.assigned(places("labels"))
    one.pause = lambda seconds: True
    hand(one, messages(LABELS.name, [label(n) for n in range(50)]))
    assert failures == [[f"e-{n}" for n in range(stored[2] + 1)]] * 3
    assert len(stored) >= 5
    assert stored == sorted(stored)
    assert ids(warehouse) == [f"e-{n}" for n in range(50)]


def test_a_full_disk_is_said_in_a_line_and_waited_for(own_clickhouse: EmbeddedClickHouse) -> None:
    """At the disk's quota the batch waits, and the log says why; when rows were deleted it is stored, once."""
    warehouse = Warehouse(ClickHouseSettings(url=own_clickhouse.url, password="writer", analyst_password="reader"))
    warehouse.install()
    warehouse.command("CREATE TABLE filler (s String CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple()")

    def fill() -> None:
        while True:
            warehouse.insert("filler", [{"s": random.Random(0).randbytes(2**19).hex()}])

    with pytest.raises(NoRoom):
        fill()
    one = recorder(warehouse)
    one.assigned(places("labels"))
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            warehouse.command("TRUNCATE TABLE filler")
        return True

    one.pause = pause
    with capture_logs() as logs:
        hand(one, messages(LABELS.name, [label(n) for n in range(5)]))
    assert len(waited) >= 3
    assert waited[2] > waited[0] / 2
    says = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(says) == len(waited)
    assert all("has no room" in entry["why"] and "\n" not in entry["why"] for entry in says)
    assert [entry["event"] for entry in logs if entry["log_level"] == "info"] == ["ClickHouse takes batches again"]
    assert ids(warehouse) == [f"e-{n}" for n in range(5)]
    warehouse.close()


def test_predictions_that_intake_rejects_are_not_stored(warehouse: Warehouse) -> None:
    """RECORD reads predictions as INTAKE does: what has no verdict has no row, and is rejected once only, by INTAKE."""
    one = recorder(warehouse)
    one.assigned(places("predictions"))
    good = (
        b'{"event_id":"e","model":"m","time":1700000000000,"features":{"a":1,"b":"x"},"prediction":1,"confidence":0.5}'
    )
    outbox = hand(one, messages(PREDICTIONS.name, [good, b"rubbish", b"[" + good + b",3]"]))
    assert outbox.sent == []
    assert ids(warehouse, "predictions") == ["e", "e"]


@pytest.fixture
def own_clickhouse(tmp_path: pathlib.Path) -> Iterator[EmbeddedClickHouse]:
    """A server that the test may stop, with the least quota of disk."""
    server = EmbeddedClickHouse(
        tmp_path / "clickhouse", EmbeddedClickHouseSettings(disk_bytes_max=16 * 1024 * 1024), passwords=PASSWORDS
    )
    server.start()
    yield server
    server.stop()


def test_clickhouse_away_for_a_while_loses_nothing(own_clickhouse: EmbeddedClickHouse) -> None:
    """While ClickHouse is stopped the batch waits; when it is back the batch is stored, once."""
    warehouse = Warehouse(
        ClickHouseSettings(url=own_clickhouse.url, password="writer", analyst_password="reader", connect_seconds_max=2)
    )
    warehouse.install()
    one = recorder(warehouse)
    one.assigned(places("labels"))
    hand(one, messages(LABELS.name, [label(n) for n in range(5)]))
    own_clickhouse.stop()
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            own_clickhouse.start()
        return True

    one.pause = pause
    hand(one, messages(LABELS.name, [label(n) for n in range(5, 10)], begin=5))
    assert len(waited) >= 3
    assert ids(warehouse) == [f"e-{n}" for n in range(10)]
    own_clickhouse.stop()
    one.pause = lambda seconds: False
    with pytest.raises(HandBack):
        hand(one, messages(LABELS.name, [label(10)], begin=10))
    warehouse.close()


def test_a_stop_ends_the_wait_for_where_to_begin() -> None:
    """A worker that is stopped while ClickHouse does not answer hands back what it was just assigned."""
    stop = threading.Event()
    stop.set()
    nowhere = Warehouse(ClickHouseSettings(url="http://127.0.0.1:1", connect_seconds_max=1))
    with pytest.raises(HandBack):
        recorder(nowhere, stop).assigned(places("labels"))


def test_nothing_changes_what_a_value_was(warehouse: Warehouse) -> None:
    """Times, maps and texts come back from ClickHouse as they were sent."""
    one = recorder(warehouse)
    one.assigned(places("predictions"))
    value: dict[str, Any] = {
        "event_id": "ä'\\\n😀",
        "model": "m",
        "time": 1_700_000_000_123,
        "features": {"n": -1.5e300, "t": "a\tb", "none": None, "flag": True},
        "prediction": True,
        "probabilities": {"true": 0.75, "false": 0.25},
        "slices": {"region": "EU"},
    }
    hand(one, messages(PREDICTIONS.name, [msgspec.json.encode(value)]))
    (row,) = warehouse.query(
        "SELECT event_id, toUnixTimestamp64Milli(time) AS ms, features, features_text, prediction, confidence, slices"
        " FROM predictions"
    )
    assert (row["event_id"], row["ms"], row["prediction"], row["confidence"]) == (
        value["event_id"], value["time"], "true", 0.75,
    )  # fmt: skip
    assert row["features"]["n"] == -1.5e300
    assert row["features_text"]["t"] == "a\tb"
    assert row["slices"] == {"region": "EU"}
