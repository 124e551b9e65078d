"""RECORD on a real ClickHouse: what cannot be read or stored becomes a Reject, and everything else is stored."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agents.record.recorder import RUN_MESSAGES_MAX
from schemas.codec import encode
from schemas.json_text.errors import MalformedError
from schemas.topics import LABELS, PREDICTIONS, REJECTS, VERDICTS
from schemas.wire.reject import Reject
from streams.consume.batches import HandBack
from streams.produce.rejects import MessagePart, Rejecter, reject_of
from tests.support.plain_record import PREFIX, CollectingOutbox
from tests.support.recording import hand, ids, label, messages, partitions, recorder
from warehouse.client import Warehouse
from warehouse.errors import ClickHouseUnreachable
from warehouse.store.inserts import Insert

pytestmark = pytest.mark.servers


def test_a_message_that_holds_nothing_is_told_of(warehouse: Warehouse) -> None:
    """Tombstones of compact topics and empty arrays of verdicts have no rows; other empty messages are rejected."""
    handler = recorder(warehouse)
    handler.assigned(partitions("verdicts", "gates", "review.events"))
    sent = [message for name in ("verdicts", "gates", "review.events") for message in messages(name, [None, b"[]"])]
    rejects = [value for value in hand(handler, sent).of(REJECTS) if isinstance(value, Reject)]
    nothing, none_of_them = "empty; expected JSON", "an empty array; expected an object"
    assert [(value.source_topic, value.source_offset, value.reason) for value in rejects] == [
        ("verdicts", 0, nothing), ("gates", 0, nothing), ("gates", 1, none_of_them), ("review.events", 1, none_of_them),
    ]  # fmt: skip


def test_what_cannot_be_read_becomes_a_reject(warehouse: Warehouse) -> None:
    """Rubbish on a topic is rejected with its bytes and its position, and the rest is stored."""
    handler = recorder(warehouse)
    handler.assigned(partitions("verdicts"))
    sent = [msgspec.json.encode(verdict(0)), b"rubbish", b'{"event_id":"x"}', msgspec.json.encode(verdict(3))]
    rejects = [value for value in hand(handler, messages(VERDICTS.name, sent)).of(REJECTS) if isinstance(value, Reject)]
    assert [(r.original, r.source_offset, r.role) for r in rejects] == [
        (b"rubbish", 1, "record"),
        (b'{"event_id":"x"}', 2, "record"),
    ]
    assert ids(warehouse, "verdicts") == ["e-0", "e-3"]


def test_a_wrong_verdict_of_an_array_is_rejected_alone(warehouse: Warehouse) -> None:
    """A wrong element, JSON or not, costs those beside it nothing, and they keep their indexes."""
    handler = recorder(warehouse)
    handler.assigned(partitions("verdicts"))
    odd = [b'{"event_id":"x"}', b'{"event_id":NaN}', b'{"event_id":"\\q"}']
    parts = [msgspec.json.encode(verdict(0)), odd[0], odd[1], msgspec.json.encode(verdict(3)), odd[2]]
    sent = [b"[" + b",".join(parts) + b"]", b'[{"event_id":"x]']
    rejects = [value for value in hand(handler, messages(VERDICTS.name, sent)).of(REJECTS) if isinstance(value, Reject)]
    assert [(r.original, r.source_offset, r.source_index) for r in rejects] == [
        *zip(odd, (0, 0, 0), (1, 2, 4), strict=True),
        (sent[1], 1, 0),
    ]
    assert ids(warehouse, "verdicts") == ["e-0", "e-3"]
    assert [row["_index"] for row in warehouse.query("SELECT _index FROM verdicts ORDER BY _index")] == [0, 3]


def test_a_wrong_label_is_rejected_by_who_learns_from_it(warehouse: Warehouse) -> None:
    """A label that LEARN rejects, or an array of them, is neither rejected a second time nor stored."""
    handler = recorder(warehouse)
    handler.assigned(partitions("labels"))
    sent = [label(0), b"rubbish", b"[" + label(1) + b"]", label(3)]
    assert hand(handler, messages(LABELS.name, sent)).of(REJECTS) == []
    assert ids(warehouse) == ["e-0", "e-3"]


def test_a_row_that_clickhouse_refuses_becomes_a_reject(warehouse: Warehouse) -> None:
    """A row that the table does not take is rejected with ClickHouse's reason; its neighbours are stored."""
    warehouse.command("ALTER TABLE labels MODIFY COLUMN label UInt8")
    handler = recorder(warehouse)
    handler.assigned(partitions("labels"))
    outbox = hand(handler, messages(LABELS.name, [label(n, "no number" if n == 2 else "1") for n in range(5)]))
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
    """Elements that break a rule of the table get a Reject each; the rest of their messages is stored."""
    warehouse.command(f"ALTER TABLE {name} ADD CONSTRAINT ours CHECK {rule}")
    handler = recorder(warehouse)
    handler.assigned(partitions(name))
    array = [value(n, **(bad if n in (3, 5) else {})) for n in range(8)]
    sent = [msgspec.json.encode(part) for part in (array, value(8), value(9, **bad), value(10))]
    rejects = [r for r in hand(handler, messages(name, sent)).of(REJECTS) if isinstance(r, Reject)]
    assert [(r.source_offset, r.source_index, r.original) for r in rejects] == [
        (0, 3, msgspec.json.encode(array[3])), (0, 5, msgspec.json.encode(array[5])), (2, 0, sent[2]),
    ]  # fmt: skip
    assert all("ours" in r.reason for r in rejects)
    assert ids(warehouse, name) == [f"e-{n}" for n in (0, 1, 2, 4, 6, 7, 8, 10)]


def test_many_refused_rows_of_a_message_are_summed_up(warehouse: Warehouse) -> None:
    """As in INTAKE, a hundred rows of a message have a Reject each, all others one, sent before the next message."""
    warehouse.command("ALTER TABLE verdicts ADD CONSTRAINT ours CHECK task_id != 'x'")
    handler = recorder(warehouse)
    handler.assigned(partitions("verdicts"))
    array = [verdict(n, task_id="x" * (n % 2)) for n in range(300)]
    last = verdict(300, task_id="x")
    sent = [msgspec.json.encode(part) for part in (array, last, verdict(301))]
    rejects = [r for r in hand(handler, messages(VERDICTS.name, sent)).of(REJECTS) if isinstance(r, Reject)]
    assert [(r.source_offset, r.source_index) for r in rejects[:100]] == [(0, 2 * n + 1) for n in range(100)]
    assert [(r.elements, r.source_index, r.source_index_last) for r in rejects[100:]] == [(50, 201, 299), (1, 0, None)]
    assert json.loads(rejects[100].original) == array[201::2]
    assert rejects[101].original == sent[1]
    assert len(ids(warehouse, "verdicts")) == 151


def test_a_message_that_was_stored_in_part_is_stored_whole(warehouse: Warehouse) -> None:
    """ClickHouse goes away while a refused array is halved; the next worker stores the rest, and rejects bad rows."""
    warehouse.command("ALTER TABLE verdicts ADD CONSTRAINT ours CHECK task_id != 'x'")
    sent = messages(VERDICTS.name, [msgspec.json.encode([verdict(n, task_id="x" * (n == 5)) for n in range(8)])])
    write, written = warehouse.write, list[str]()

    def failing(table: str, insert: Insert) -> None:
        if len(written) == 3:
            raise ClickHouseUnreachable("gone")
        written.append(insert.token)
        write(table, insert)

    first = recorder(warehouse)
    first.assigned(partitions("verdicts"))
    first.pause = lambda seconds: False
    warehouse.write = failing  # type: ignore[method-assign]
    with pytest.raises(HandBack):
        hand(first, sent)
    warehouse.write = write  # type: ignore[method-assign]
    assert ids(warehouse, "verdicts") == ["e-0", "e-1", "e-2", "e-3"]

    second = recorder(warehouse)
    assert second.assigned(partitions("verdicts")) == {("verdicts", 0): 0}
    (reject,) = hand(second, sent).of(REJECTS)
    assert isinstance(reject, Reject)
    assert reject.source_index == 5
    assert ids(warehouse, "verdicts") == [f"e-{n}" for n in (0, 1, 2, 3, 4, 6, 7)]
    third = recorder(warehouse)
    third.assigned(partitions("verdicts"))
    hand(third, sent)
    assert len(ids(warehouse, "verdicts")) == 7


@pytest.mark.parametrize("inserts_max", range(9, 30, 3))
def test_what_is_refused_is_told_whenever_the_worker_is_killed(
    warehouse: Warehouse, inserts_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many refused rows share a Reject: if the worker is killed before it, at any insert, the next one sends it."""
    monkeypatch.setattr("streams.produce.rejects.REJECTS_APART_MAX", 3)
    warehouse.command("ALTER TABLE verdicts ADD CONSTRAINT ours CHECK task_id != 'x'")
    array = [verdict(n, task_id="x" * (n < 6 or n == 8)) for n in range(11)]
    sent = messages(VERDICTS.name, [msgspec.json.encode(part) for part in (array, verdict(11))])
    write, outbox = warehouse.write, CollectingOutbox()
    told_before_the_end, inserts_left = list[Reject](), [inserts_max]

    def killing(table: str, insert: Insert) -> None:
        inserts_left[0] -= 1
        if inserts_left[0] == 0:
            told_before_the_end.extend(value for value in outbox.of(REJECTS) if isinstance(value, Reject))
        if inserts_left[0] <= 0:
            raise ClickHouseUnreachable("the worker is dead")
        write(table, insert)

    first = recorder(warehouse)
    first.assigned(partitions("verdicts"))
    first.pause = lambda seconds: False
    warehouse.write = killing  # type: ignore[method-assign]
    with contextlib.suppress(HandBack):  # the end of a worker: what it had to say then, nobody hears
        first.handle(sent, outbox)  # type: ignore[arg-type]
        told_before_the_end.extend(value for value in outbox.of(REJECTS) if isinstance(value, Reject))
    warehouse.write = write  # type: ignore[method-assign]

    second = recorder(warehouse)
    second.assigned(partitions("verdicts"))
    after = [value for value in hand(second, sent).of(REJECTS) if isinstance(value, Reject)]
    refused = {element["event_id"] for reject in (*told_before_the_end, *after) for element in elements(reject)}
    assert refused == {f"e-{n}" for n in (*range(6), 8)}
    assert sorted(ids(warehouse, "verdicts")) == sorted(f"e-{n}" for n in (6, 7, 9, 10, 11))


def elements(reject: Reject) -> list[dict[str, Any]]:
    original = json.loads(reject.original)
    return original if isinstance(original, list) else [original]


def test_a_prediction_that_intake_refused_is_a_row_that_its_reject_names(warehouse: Warehouse) -> None:
    """A model too many: the prediction is stored without a verdict, and its identity leads to the reason."""
    handler = recorder(warehouse)
    handler.assigned(partitions("predictions", "verdicts", "rejects"))
    (sent,) = messages("predictions", [msgspec.json.encode([prediction(0), prediction(1, model="other")])], begin=7)
    refused = reject_of(
        sent, MalformedError("a model too many"), Rejecter(PREFIX, "intake", now_ms=0), MessagePart(b"{}", index=1)
    )
    hand(handler, [sent, *messages("verdicts", [msgspec.json.encode(verdict(0))])])
    hand(handler, messages("rejects", [encode(refused)]))
    rows = warehouse.query(
        "SELECT p.event_id AS event_id, r.reason AS reason FROM predictions AS p"
        " LEFT ANTI JOIN verdicts AS v ON v.model = p.model AND v.event_id = p.event_id"
        " LEFT JOIN (SELECT * FROM rejects WHERE source_topic = 'predictions') AS r"
        " ON r.source_partition = p._partition AND r.source_offset = p._offset AND r.source_index = p._index"
    )
    assert rows == [{"event_id": "e-1", "reason": "a model too many"}]


class TellingOutbox(CollectingOutbox):
    """Notes how many rows were stored when Rejects had arrived."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self.warehouse = warehouse
        self.stored_when_told: list[int] = []

    def flush(self, seconds_max: float = 30.0) -> None:
        self.stored_when_told.append(len(ids(self.warehouse, "verdicts")))


def test_rejects_arrive_before_what_is_behind_them_is_stored(warehouse: Warehouse) -> None:
    """Stored messages are not read again after a crash, so Rejects arrive before rows behind them are stored."""
    outbox = TellingOutbox(warehouse)
    values = [msgspec.json.encode(verdict(n)) for n in range(3 * RUN_MESSAGES_MAX)]
    values[RUN_MESSAGES_MAX] = b"rubbish"
    many = Warehouse(msgspec.structs.replace(warehouse.settings, insert_rows_max=RUN_MESSAGES_MAX))
    handler = recorder(many)
    handler.assigned(partitions("verdicts"))
    handler.handle(messages(VERDICTS.name, values), outbox)  # type: ignore[arg-type]
    assert len(outbox.of(REJECTS)) == len(outbox.stored_when_told) == 1
    assert outbox.stored_when_told[0] <= RUN_MESSAGES_MAX
    assert len(ids(warehouse, "verdicts")) == 3 * RUN_MESSAGES_MAX - 1


def test_predictions_that_intake_rejects_are_not_stored(warehouse: Warehouse) -> None:
    """RECORD reads predictions as INTAKE does: one without a verdict has no row, and INTAKE alone rejects it."""
    handler = recorder(warehouse)
    handler.assigned(partitions("predictions"))
    good = (
        b'{"event_id":"e","model":"m","time":1700000000000,"features":{"a":1,"b":"x"},"prediction":1,"confidence":0.5}'
    )
    outbox = hand(handler, messages(PREDICTIONS.name, [good, b"rubbish", b"[" + good + b",3]"]))
    assert outbox.sent == []
    assert ids(warehouse, "predictions") == ["e", "e"]
