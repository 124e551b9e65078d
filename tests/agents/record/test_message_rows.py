"""RECORD stores of a message what plain rows of its values would be: the same tables, columns and values."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from agents.record.message_rows import ReadingRules
from agents.record.recorder import Recorder
from schemas.codec import decode_one_or_many
from schemas.columns.verdict_columns import batch_of_verdicts, some_verdicts, verdict_streams
from schemas.topics import BLOCKS, REJECTS
from schemas.wire.base import Wire
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from schemas.wire.prediction import Prediction
from schemas.wire.verdict import Verdict
from streams.consume.batches import AssignedPartition
from tests.support.made_blocks import stream_of
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.store.rows import Identity, row_of

pytestmark = pytest.mark.servers

TEXTS = (
    "", "x", "ü😀漢", "tab\t \"q\" 's' \\ \n\r\0\x01\x7f", "null", "NaN", "\\N", "{}", "[1]", " ", "\u2028", "\ufeff",
    "a" * 200,
)  # fmt: skip
NUMBERS: tuple[float | int | bool, ...] = (
    0.0, -0.0, 5e-324, 1.7976931348623157e308, -1.5e300, 0.1, 1 / 3, 10**150, -(10**25), 2**63, 2**53 + 1, -7, True,
    False,
)  # fmt: skip
TIMES: tuple[int | str, ...] = (
    1, 999, 1_700_000_000_123, 253_402_300_799_999, "2026-02-03T04:05:06Z", "2026-02-03T04:05:06.0005+02:00",
    "1970-01-01T00:00:00.001Z", "2038-01-19T03:14:08.999999-11:30",
)  # fmt: skip


def number(rng: random.Random) -> float | int | bool:
    drawn = (rng.random(), rng.gauss(0, 1e10), math.pi * 10.0 ** rng.randint(-300, 300), rng.randint(-(10**17), 10**17))
    return rng.choice([*NUMBERS, *drawn])


def some(rng: random.Random, of_one: Any, most: int = 8) -> dict[str, Any]:
    names = ["a", "b", "c", "ü", "x y", '"q"', "t\t", *(f"f{n}" for n in range(5))]
    return {name: of_one(rng) for name in rng.sample(names, rng.randint(0, most))}


def any_prediction(rng: random.Random) -> dict[str, Any]:
    """A prediction with everything that JSON, Python and ClickHouse might read differently."""
    label = rng.choice(["UP", "0", "ü", 3, -7, 10**30, True, False])
    text = str(label).lower() if isinstance(label, bool) else str(label)
    features = some(rng, lambda rng: rng.choice([number(rng), number(rng), rng.choice(TEXTS), None]))
    value: dict[str, Any] = {
        "event_id": rng.choice(TEXTS) or "e",
        "model": rng.choice(["m", "ü", "x" * 200]),
        "time": rng.choice(TIMES),
        "features": features,
        "prediction": label,
        "unknown": [1, {"a": None}],
    }
    if rng.random() < 0.5:
        value["probabilities"] = {text: 0.25, "other": 0.75}
    if rng.random() < 0.5 or "probabilities" not in value:
        value["confidence"] = rng.choice([0, 1, 0.0, 1.0, rng.random(), 1e-300])
    optional: dict[str, Any] = {
        "model_version": rng.choice(TEXTS),
        "slices": some(rng, lambda rng: rng.choice(TEXTS), 3),
        "risk": rng.choice([None, 0, rng.random()]),
        "subject": rng.choice([None, *TEXTS]),
        "consent": {"review": rng.random() < 0.5, "learn": rng.random() < 0.5},
        "content": rng.choice([None, *TEXTS]),
        "producer": rng.choice(TEXTS),
    }
    return value | {name: optional[name] for name in rng.sample(list(optional), rng.randint(0, len(optional)))}


def any_verdict(rng: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {
        "event_id": rng.choice(TEXTS) or "e",
        "model": rng.choice(["m", "ü"]),
        "time": rng.choice([time for time in TIMES if isinstance(time, int)]),
        "decision": rng.choice(["accept", "review", "escalate"]),
        "uncertainty": rng.choice([0, 1, rng.random()]),
        "inclusion_probability": rng.choice([0.0, 1.0, rng.random(), 1e-12]),
        "decided_at": rng.choice([0, 253_402_300_799_999, 1_700_000_000_123]),
    }
    optional: dict[str, Any] = {
        "model_version": rng.choice(TEXTS),
        "reasons": [rng.choice(TEXTS) for _ in range(rng.randint(0, 3))],
        "error_probability": rng.choice([None, 0, rng.random()]),
        "audit": rng.random() < 0.5,
        "policy_version": rng.choice(TEXTS),
        "learned_version": rng.choice(TEXTS),
        "learned_prediction": rng.choice(TEXTS),
        "task_id": rng.choice(TEXTS),
        "correction_id": rng.choice(TEXTS),
        "settled_label": rng.choice(TEXTS),
    }
    return value | {name: optional[name] for name in rng.sample(list(optional), rng.randint(0, len(optional)))}


def as_messages(rng: random.Random, values: Sequence[dict[str, Any]]) -> list[bytes]:
    """The same values alone, in arrays of a few, and as an empty array; with escapes or without."""
    messages: list[bytes] = []
    rest = list(values)
    while rest:
        size = rng.choice([1, 1, 1, 2, 7])
        part, rest = rest[:size], rest[size:]
        data = msgspec.json.encode(part[0] if size == 1 else part)
        messages.append(escaped(data) if rng.random() < 0.3 else data)
        if rng.random() < 0.1:
            messages += [messages[-1], b"[]"]
    return messages


def as_streams(rng: random.Random, messages: Sequence[bytes]) -> list[bytes]:
    """The same messages, of which some are Arrow."""
    return [verdict_stream(decode_one_or_many(Verdict, data)) if rng.random() < 0.5 else data for data in messages]


def verdict_stream(verdicts: Sequence[Verdict]) -> bytes:
    batch = batch_of_verdicts(verdicts)
    (data,) = verdict_streams(batch, rows_max=1_000, bytes_max=2**20) if verdicts else (some_verdicts(batch, []),)
    return data


def escaped(data: bytes) -> bytes:
    """The same JSON in ASCII."""
    return "".join(
        char if char < "\x7f" else char.encode("utf-16-be").hex(" ", 2).replace(" ", "\\u").join(("\\u", ""))
        for char in data.decode()
    ).encode()


@pytest.mark.parametrize(
    ("name", "value_type", "make"), [("predictions", Prediction, any_prediction), ("verdicts", Verdict, any_verdict)]
)
@pytest.mark.parametrize("rows_max", [50_000, 7])
def test_the_same_messages_are_the_same_rows(
    name: str, value_type: type[Wire], make: Any, rows_max: int, warehouse: Warehouse
) -> None:
    """2,000 odd values, alone, in arrays and as Arrow, stored by RECORD and as plain rows: every column is equal."""
    rng = random.Random(f"{name} {rows_max}")
    messages = as_messages(rng, [make(rng) for _ in range(2_000 if rows_max > 7 else 200)])
    sent = as_streams(rng, messages) if value_type is Verdict else messages
    settings = msgspec.structs.replace(warehouse.settings, insert_rows_max=rows_max)
    recorder = Recorder(
        Warehouse(settings),
        ReadingRules(PREFIX, future_seconds_max=10**12),
        topic_ids=lambda: {name: "columns"},
        stop=threading.Event(),
    )
    recorder.assigned([AssignedPartition(name, 5, None)])
    outbox = CollectingOutbox()
    recorder.handle([PlainRecord(data, name, 5, offset) for offset, data in enumerate(sent)], outbox)  # type: ignore[arg-type]
    assert outbox.sent == []

    rows = [
        row
        for offset, data in enumerate(messages)
        for row in rows_of(name, decode_one_or_many(value_type, data), Identity("rows", 5, offset))
    ]
    warehouse.insert(name, rows)
    stored = {
        topic_id: warehouse.query(
            # Milliseconds beside the times: a client may read dates after 2299 as others.
            f"SELECT * EXCEPT (_topic_id, _stored_at), toUnixTimestamp64Milli(time) FROM {name} "
            "WHERE _topic_id = {topic_id:String} ORDER BY _offset, _index",
            {"topic_id": topic_id},
        )
        for topic_id in ("columns", "rows")
    }
    assert len(stored["rows"]) == len(rows)
    for new, old in zip(stored["columns"], stored["rows"], strict=True):
        # repr: a zero has a sign, and a map an order.
        assert repr(new) == repr(old)


def test_blocks_of_a_message_are_the_rows_of_each_alone(warehouse: Warehouse) -> None:
    """A message of many has a row for each, with its index; a wrong one is a Reject, and keeps its index free."""
    made = [
        Block(
            block_id=f"m/0/{number}.0", model="m", partition=0, first_offset=number, last_offset=number, time_min=5,
            time_max=6, events=1, numeric={"confidence": NumericSummary(count=1, mean=number / 3)},
            categorical={"prediction": CategoryCounts(counts={"ü": 1})}, decisions={"accept": 1}, unwatched=("a", "b"),
            sample=(
                SampledRow(
                    hash=2**64 - 1, event_id="e", time=5, prediction="ü", confidence=0.1,
                    features={"i": 2**60 + 1, "f": 1.0, "t": "x", "n": None, "b": True},
                ),
            ),
        )
        for number in range(4)
    ]  # fmt: skip
    wrong = msgspec.structs.replace(made[1], model="")
    one = Recorder(
        Warehouse(warehouse.settings),
        ReadingRules(PREFIX),
        topic_ids=lambda: {BLOCKS.name: "id"},
        stop=threading.Event(),
    )
    one.assigned([AssignedPartition(BLOCKS.name, 0, None)])
    outbox = CollectingOutbox()
    messages = [stream_of([made[0], wrong, made[2]]), msgspec.json.encode(made[3])]
    one.handle([PlainRecord(data, BLOCKS.name, 0, offset) for offset, data in enumerate(messages)], outbox)  # type: ignore[arg-type]
    assert [(reject.source_offset, reject.source_index) for reject in outbox.of(REJECTS)] == [(0, 1)]  # type: ignore[attr-defined]

    rows = [
        row_of(BLOCKS.name, made[number], Identity("rows", 0, *at))
        for number, at in ((0, (0, 0)), (2, (0, 2)), (3, (1, 0)))
    ]
    warehouse.insert(BLOCKS.name, rows)
    stored, plain = (
        warehouse.query(
            "SELECT * EXCEPT (_topic_id, _stored_at) FROM blocks WHERE _topic_id = {topic_id:String} "
            "ORDER BY _offset, _index",
            {"topic_id": topic_id},
        )
        for topic_id in ("id", "rows")
    )
    assert len(plain) == 3
    assert repr(stored) == repr(plain)
