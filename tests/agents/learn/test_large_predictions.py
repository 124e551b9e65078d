"""Producers decide how large a prediction is: labels of large ones hold up no others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.learn import label_handler as labels_file
from agents.learn.label_handler import LabelHandler, LabelLimits
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from schemas.codec import decode, encode
from schemas.topics import CORRECTIONS, REJECTS
from schemas.wire.correction import Correction
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from schemas.wire.reject import Reject
from streams.consume.batches import HandBack
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.errors import QuestionTooLarge, WarehouseError
from warehouse.query.lookups import IDS_MAX, SAID_ROWS_MAX, asked_in_parts, labels_said
from warehouse.settings import ClickHouseSettings
from warehouse.store.rows import Identity

MIB = 1024 * 1024
TEXT_BYTES = 950_000
LARGE = 400
ROW: dict[str, Any] = {
    "model_version": "", "time": 1, "time_ms": 1, "features": {}, "features_integer": {}, "features_text": {},
    "prediction": "a", "confidence": 0.9, "probabilities": {}, "slices": {}, "consent_learn": True,
    "learned_prediction": "", "learned_version": "",
}  # fmt: skip


class Clock:
    """A clock that the test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Narrow:
    """Answers questions about at most ``most`` ids, and none about ``never``; each prediction has ``size`` bytes."""

    def __init__(self, most: int, never: Sequence[str] = (), size: int = 1) -> None:
        self.most, self.never, self.size = most, frozenset(never), size
        self.largest, self.asked = 0, 0

    def query(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "ids" not in params:
            return [{"said": ["a", "b"], "named": []}]
        ids, self.asked = params["ids"], self.asked + 1
        if len(ids) > self.most or self.never.intersection(ids):
            raise QuestionTooLarge("too large", code=241, detail="memory limit exceeded")
        self.largest = max(self.largest, len(ids))
        return [{**ROW, "event_id": name, "held_bytes": self.size} for name in ids]


def records(*names: str, model: str = "m") -> list[PlainRecord]:
    values = [encode(Label(event_id=name, model=model, label="b", time=1)) for name in names]
    return [PlainRecord(value, name="labels", number=number) for number, value in enumerate(values)]


def joined(outbox: CollectingOutbox) -> list[str]:
    return [value.event_id for value in outbox.of(CORRECTIONS) if isinstance(value, Correction)]


def joiner(warehouse: Any, clock: Clock) -> LabelHandler:
    return LabelHandler(
        warehouse, PREFIX, pause=lambda _seconds: True, clock=clock, limits=LabelLimits(wait_seconds=30)
    )


@pytest.mark.parametrize("most", [1, 2, 3, 700, IDS_MAX])
def test_a_question_is_halved_until_it_is_answered(most: int) -> None:
    """Every id is asked for once, in order, in at most twice the questions that the known limit would take."""
    ids = [f"e-{n:05}" for n in range(6_000)]
    narrow = Narrow(most)
    parts = list(asked_in_parts(lambda some: narrow.query("", {"ids": some}), ids))
    assert [name for part, _ in parts for name in part] == ids
    assert all(isinstance(answer, list) and [row["event_id"] for row in answer] == list(part) for part, answer in parts)
    assert narrow.asked <= 4 * (len(ids) // most + 1) + 13


def test_labels_of_large_predictions_are_joined_all_the_same() -> None:
    """If ClickHouse answers for three ids at once, three are asked for, and no label waits."""
    names = [f"e-{n}" for n in range(50)]
    narrow, outbox = Narrow(3), CollectingOutbox()
    assert joiner(narrow, Clock()).handle(records(*names), outbox) == []  # type: ignore[arg-type]
    assert (sorted(joined(outbox)), narrow.largest) == (sorted(names), 3)
    assert outbox.of(REJECTS) == []


def test_a_label_whose_prediction_cannot_be_read_alone_is_rejected_with_the_reason() -> None:
    """ClickHouse may be short of memory for a while, so the label waits; others, also behind it, are joined."""
    narrow, outbox, clock = Narrow(10, never=["e-2"]), CollectingOutbox(), Clock()
    handler = joiner(narrow, clock)
    left = handler.handle(records("e-0", "e-1", "e-2", "e-3"), outbox)  # type: ignore[arg-type]
    assert (joined(outbox), [record.offset() for record in left]) == (["e-0", "e-1"], [2, 3])
    with pytest.raises(HandBack):
        handler.handle(left, outbox)
    clock.now += 31
    assert handler.handle(left, outbox) == []
    (reject,) = (value for value in outbox.of(REJECTS) if isinstance(value, Reject))
    assert (joined(outbox)[-1], reject.source_offset, reject.field) == ("e-3", 2, "$.event_id")
    assert "'e-2'" in reject.reason
    assert "memory limit exceeded" in reject.reason


def test_no_more_predictions_are_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a batch's predictions are larger, its end is handed out again, until all labels are joined."""
    monkeypatch.setattr(labels_file, "HELD_BYTES_MAX", 10 * MIB)
    names = [f"e-{n}" for n in range(60)]
    narrow, outbox = Narrow(4, size=MIB), CollectingOutbox()
    handler, left, rounds = joiner(narrow, Clock()), records(*names), 0
    while left:
        before = len(joined(outbox))
        left = handler.handle(left, outbox)  # type: ignore[assignment, arg-type]
        rounds += 1
        assert 0 < len(joined(outbox)) - before <= 10
    assert joined(outbox) == names
    assert rounds <= 15


def test_labels_said_are_those_of_as_many_predictions_as_can_be_asked_for() -> None:
    """Five thousand predictions with a thousand long labels are too many: the newest of them are read."""
    asked: list[int] = []

    def ask(_sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked.append(params["most"])
        if params["most"] > 100:
            raise QuestionTooLarge("too large")
        return [{"said": ["a"], "named": ["b"]}]

    assert labels_said(ask, "m") == {"a", "b"}
    assert asked[0] == SAID_ROWS_MAX
    assert asked[-1] <= 100


@pytest.fixture(scope="module")
def small_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A ClickHouse whose predictions have more bytes than its memory."""
    folder: Path = tmp_path_factory.mktemp("small")
    settings = EmbeddedClickHouseSettings(
        memory_bytes_max=300 * MIB, caches_bytes_max=8 * MIB, analyst_memory_bytes_max=64 * MIB
    )
    passwords = {"watchloop": "writer-of-tests", "analyst": "analyst-of-tests"}
    with EmbeddedClickHouse(folder, settings, passwords=passwords) as running:
        warehouse = Warehouse(ClickHouseSettings(url=running.url, password=passwords["watchloop"]))
        warehouse.install()
        warehouse.command("SYSTEM STOP MERGES")  # they would take the memory that is asked for here
        for start in range(0, LARGE, 4):
            values = [prediction(n) for n in range(start, start + 4)]
            warehouse.insert("predictions", rows_of("predictions", values, Identity("id", 0, start)))
        yield warehouse
        warehouse.close()


def prediction(number: int) -> Prediction:
    given = {"event_id": f"fat{number}", "model": "fat", "time": 1_700_000_000_000 + number, "prediction": "a"}
    text = "a" * TEXT_BYTES + str(number)
    return decode(Prediction, json.dumps({**given, "features": {"t": text}, "confidence": 0.9}).encode())


@pytest.mark.servers
def test_clickhouse_refuses_what_is_too_large_as_such(small_clickhouse: Warehouse) -> None:
    """Too much memory, too many rows or too many bytes are one kind of error, at every try."""
    for question in (
        "SELECT groupArray(features_text) FROM predictions",
        "SELECT features_text FROM predictions SETTINGS max_result_bytes = 1000000, result_overflow_mode = 'throw'",
        "SELECT * FROM numbers(1000) SETTINGS max_result_rows = 10, result_overflow_mode = 'throw'",
        "SELECT max(time) FROM predictions SETTINGS max_rows_to_read = 10",
    ):
        with pytest.raises(QuestionTooLarge):
            small_clickhouse.query(question)
    with pytest.raises(WarehouseError) as other:
        small_clickhouse.query("SELECT nothing")
    assert not isinstance(other.value, QuestionTooLarge)


@pytest.mark.servers
def test_labels_of_more_bytes_than_clickhouse_has_are_joined(small_clickhouse: Warehouse) -> None:
    """Four hundred predictions of almost a megabyte each, asked for at once, in a ClickHouse with 300 MiB."""
    names = [f"fat{n}" for n in range(LARGE)]
    outbox, handler = CollectingOutbox(), joiner(small_clickhouse, Clock())
    left = records(*names, model="fat")
    for _ in range(20):
        if not left:
            break
        left = handler.handle(left, outbox)  # type: ignore[assignment, arg-type]
    assert (sorted(joined(outbox)), outbox.of(REJECTS)) == (sorted(names), [])


@pytest.mark.servers
def test_the_longest_ids_of_one_question_fit(warehouse: Warehouse) -> None:
    """Ids of two hundred characters of four bytes each, as many as one question may have."""
    ids = [("\U0001f600" * 194) + f"{n:06}" for n in range(IDS_MAX)]
    outbox, clock = CollectingOutbox(), Clock()
    handler = joiner(warehouse, clock)
    with pytest.raises(HandBack):
        handler.handle(records(*ids), outbox)  # type: ignore[arg-type]
    clock.now += 31
    assert handler.handle(records(*ids), outbox) == []  # type: ignore[arg-type]
    assert len(outbox.of(REJECTS)) == IDS_MAX
