"""One stream in every encoding: INTAKE judges, and RECORD stores, exactly the same events."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from agents.intake.prediction_handler import PredictionHandler
from agents.record.message_rows import ReadingRules
from agents.record.recorder import Recorder
from schemas.topics import REJECTS, VERDICTS
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.admin.access import RECORDED
from streams.consume.batches import AssignedPartition
from streams.predictions.prediction_reader import PredictionReader
from tests.support.arrow_rows import ARROW_HEADERS, Style, arrow_of
from tests.support.plain_intake import plain_intake
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from warehouse.client import Warehouse

NOW_MS = 1_700_000_000_000
TIME = "2023-11-14T22:13:20Z"
DAY_SECONDS = 86_400
Headers = list[tuple[str, bytes | None]]


class OddIsJson:
    """A registry in which schemas with odd ids are JSON, and those with even ids are not."""

    def problem_of(self, schema_id: int) -> str | None:
        return None if schema_id % 2 else f"schema {schema_id} is AVRO; expected JSON Schema"


def prediction(number: int, model: str = "churn", **changes: Any) -> dict[str, Any]:
    whole = {
        "event_id": f"e-{number}",
        "model": model,
        "time": NOW_MS + number,
        "features": {"age": 20.5 + number, "plan": "gold"},
        "prediction": "stay",
        "probabilities": {"stay": 0.75, "go": 0.25},
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def mixed() -> list[PlainRecord]:
    """Messages in every encoding, a wrong one of each among them; the good events are 0 to 14 without 2."""

    def as_json(value: Any) -> bytes:
        return json.dumps(value).encode()

    binary: Headers = [("ce_id", b"e-9"), ("ce_source", b"/service"), ("ce_time", TIME.encode())]
    structured: Headers = [("content-type", b"application/cloudevents+json")]
    left_out = prediction(9, event_id=..., time=...)
    messages: list[tuple[bytes, Headers | None]] = [
        (as_json(prediction(0)), None),
        (arrow_of([prediction(1), prediction(2, event_id=""), prediction(3)]), ARROW_HEADERS),
        (as_json([prediction(4), 3, prediction(5)]), [("traceparent", b"00")]),
        (b"no stream", ARROW_HEADERS),
        (b"\0\0\0\0\1" + as_json(prediction(6)), None),
        (b"\0\0\0\0\2" + as_json(prediction(99)), None),
        (arrow_of([prediction(7), prediction(8, "fraud")], Style(as_maps=True, compression="zstd")), ARROW_HEADERS),
        (as_json(left_out), binary),
        (as_json(left_out), [("ce_id", b"e-98"), ("ce_time", b"never")]),
        (as_json({"id": "e-10", "time": TIME, "data": left_out}), structured),
        (b"rubbish", None),
        (arrow_of([prediction(n, "fraud") for n in range(11, 15)]), ARROW_HEADERS),
    ]
    return [
        PlainRecord(value, number=number, header_list=headers, time_ms=NOW_MS + 1_000)
        for number, (value, headers) in enumerate(messages)
    ]


GOOD = {f"e-{number}" for number in range(15) if number != 2}
WRONG = {(1, 1), (2, 1), (3, 0), (5, 0), (8, 0), (10, 0)}
"""Offset and index of what is rejected."""


def intake() -> PredictionHandler:
    reader = PredictionReader(PREFIX, future_ms_max=DAY_SECONDS * 1000, schemas=OddIsJson())
    return plain_intake(reader, NOW_MS)


def rejects_of(outbox: CollectingOutbox) -> list[Reject]:
    return [value for value in outbox.of(REJECTS) if isinstance(value, Reject)]


def test_intake_judges_every_encoding() -> None:
    """Every good event has one verdict and every wrong one a Reject, also once the shapes of events are known."""
    handler = intake()
    for _ in range(2):
        outbox = CollectingOutbox()
        handler.handle(mixed(), outbox)
        verdicts = [value for value in outbox.of(VERDICTS) if isinstance(value, Verdict)]
        assert sorted(verdict.event_id for verdict in verdicts) == sorted(GOOD)
        assert {verdict.event_id: verdict.uncertainty for verdict in verdicts} == dict.fromkeys(GOOD, 0.25)
        assert {(reject.source_offset, reject.source_index) for reject in rejects_of(outbox)} == WRONG
        assert len(rejects_of(outbox)) == len(WRONG)


@pytest.mark.servers
def test_record_stores_what_intake_judges(warehouse: Warehouse) -> None:
    """Every event with a verdict has a row, with its identity and what its headers say; no other has."""
    ids = {topic.name: f"id-of-{topic.name}" for topic in RECORDED}
    recorder = Recorder(
        warehouse,
        ReadingRules(PREFIX, future_seconds_max=DAY_SECONDS, schemas=OddIsJson()),
        topic_ids=lambda: ids,
        stop=threading.Event(),
    )
    recorder.assigned([AssignedPartition("predictions", 0, None)])
    outbox = CollectingOutbox()
    recorder.handle(mixed(), outbox)  # type: ignore[arg-type]
    assert outbox.sent == []
    rows = warehouse.query(
        "SELECT event_id, model, producer, (_offset, _index) AS place, features, probabilities FROM predictions"
    )
    assert {row["event_id"] for row in rows} == GOOD
    assert len(rows) == len(GOOD)
    by_id = {row["event_id"]: row for row in rows}
    assert [tuple(by_id[f"e-{n}"]["place"]) for n in (1, 3, 8, 14)] == [(1, 0), (1, 2), (6, 1), (11, 3)]
    assert (by_id["e-9"]["producer"], by_id["e-8"]["model"]) == ("/service", "fraud")
    assert [by_id[f"e-{n}"]["features"]["age"] for n in (0, 1, 3, 6, 8)] == [20.5, 21.5, 23.5, 26.5, 28.5]
    assert by_id["e-7"]["probabilities"] == {"stay": 0.75, "go": 0.25}
