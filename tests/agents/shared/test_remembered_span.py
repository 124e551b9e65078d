"""The span that INTAKE really holds travels with its offsets to the console and to ``watchloop check``."""

from __future__ import annotations

import pathlib

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.desk.loop_watch import LoopWatch
from agents.intake.role import _seen_events
from agents.settings import Settings, WorkerSettings
from agents.shared.errors import MemoryRefused
from agents.shared.groups import GROUPS
from agents.shared.remembered_span import capacity_text, shortest_span, span_note
from review.settings import AccuracySettings
from schemas.topics import PREDICTIONS
from streams.admin.commit_notes import commit_notes
from streams.client_config import common_client_config
from streams.settings import KafkaSettings
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings
from watchloop.cli.check import _remembered


def commit(kafka: KafkaSettings, note: str) -> None:
    consumer = Consumer({**common_client_config(kafka), "group.id": kafka.prefix + "intake"})
    consumer.commit(offsets=[TopicPartition(kafka.prefix + PREDICTIONS.name, 0, 0, note)], asynchronous=False)
    consumer.close()


def test_a_note_says_what_was_measured() -> None:
    """What is written is read again; the whole span, and what others write, is no note."""
    assert shortest_span([span_note(59.9, 600), span_note(600, 600), span_note(80, 600)]) == 59
    assert shortest_span(["remembered_seconds=-1", "remembered_seconds=99999999", "x remembered_seconds=1", ""]) is None


def test_a_span_of_zero_is_no_promise() -> None:
    """Where nothing is remembered, no rate is named."""
    assert "no event is remembered" in capacity_text(WorkerSettings(dedupe_span_seconds=0))


def test_more_memory_than_there_is_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose settings ask for more than the machine has ends with a line that says what to lower."""

    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("agents.intake.role.SeenEvents", refuse)
    with pytest.raises(MemoryRefused, match=r"^worker.dedupe_memory_mb_max \(256\) is more than this machine has"):
        _seen_events(WorkerSettings())


@pytest.mark.servers
def test_a_span_that_memory_cuts_short_is_told(kafka_topics: KafkaSettings, tmp_path: pathlib.Path) -> None:
    """The Loop page and ``watchloop check`` say how many seconds are held, until the whole span is."""
    settings = Settings(kafka=kafka_topics, worker=WorkerSettings(data=str(tmp_path)))
    watch = LoopWatch(kafka_topics, lambda: Warehouse(ClickHouseSettings()), AccuracySettings(), settings.worker)

    commit(kafka_topics, span_note(41.0, 600))
    assert commit_notes(kafka_topics, "intake", GROUPS["intake"]) == ["remembered_seconds=41"]
    told = "retries are known for 41 s instead of 600 s: raise worker.dedupe_memory_mb_max (256), or add workers"
    finding = _remembered(settings)
    assert (finding.ok, finding.what) == (False, "memory of intake")
    assert told in finding.says
    watch._measure_lag()
    assert watch.figures.warnings == (f"INTAKE forgets early: {told}.",)
    off = msgspec.structs.replace(settings, worker=WorkerSettings(dedupe_span_seconds=0))
    assert _remembered(off).ok

    commit(kafka_topics, span_note(600.0, 600))
    watch._measure_lag()
    assert watch.figures.warnings == ()
    assert _remembered(settings).says == capacity_text(settings.worker)
