"""INTAKE remembers judged events: a retry is known after a restart, and by the next owner of its partition."""

from __future__ import annotations

import collections
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from agents.intake.recall import recall
from agents.intake.role import add
from agents.settings import ModelSettings, Settings, WorkerSettings
from agents.shared.plan import Plan
from review.settings import TriageSettings
from schemas.columns.verdict_columns import batch_of_verdicts, verdict_streams
from schemas.identities import identities, model_salt
from schemas.topics import CORRECTIONS, PREDICTIONS, VERDICTS, VERDICTS_ACCEPTED
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from schemas.wire.verdict import Verdict
from streams.consume.batches import AssignedPartition
from streams.consume.log_reader import LogReader
from streams.consume.seen_events import SeenEvents
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from streams.verdicts.messages import read_verdicts
from tests.support.any_verdicts import verdict as any_verdict
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.servers


class Worker:
    """INTAKE as the program assembles it, in threads of this process."""

    def __init__(self, settings: Settings, slot: str = "0") -> None:
        plan = Plan(settings, None, slot)
        add(plan)
        self._loops = plan.loops
        self._threads = [threading.Thread(target=loop.body, args=(loop.halt,), daemon=True) for loop in plan.loops]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        for loop in self._loops:
            loop.halt.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Workers that end with the test."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.end()


@pytest.fixture
def settings(kafka_topics: KafkaSettings, tmp_path: pathlib.Path) -> Settings:
    return Settings(kafka=kafka_topics, worker=WorkerSettings(data=str(tmp_path)))


def event(number: int, **more: object) -> Prediction:
    fields = {"features": {"x": float(number)}, "confidence": 0.95, **more}
    return Prediction(event_id=f"e-{number}", model="m", time=1_700_000_000_000, prediction="a", **fields)  # type: ignore[arg-type]


def send(kafka: KafkaSettings, events: Sequence[Prediction]) -> None:
    outbox = Outbox(kafka)
    for prediction in events:
        outbox.send(PREDICTIONS, prediction.event_id, prediction)
    outbox.flush()


def verdicts(kafka: KafkaSettings) -> list[Verdict]:
    """All committed verdicts."""
    received: list[Verdict] = []
    hear = lambda record: received.extend(read_verdicts(record.value() or b"", 10_000).values)  # noqa: E731
    reader = LogReader(kafka, {VERDICTS.name: hear, VERDICTS_ACCEPTED.name: hear})
    reader.catch_up(PATIENCE_SECONDS)
    reader.close()
    return received


def until(kafka: KafkaSettings, wanted: set[str]) -> collections.Counter[str]:
    """How often each of these events was judged, once all of them are."""

    def judged() -> collections.Counter[str] | None:
        counted = collections.Counter(verdict.event_id for verdict in verdicts(kafka))
        return counted if wanted <= set(counted) else None

    return eventually("all of them judged", judged) or collections.Counter()


@pytest.mark.parametrize("verdicts_told", ["all", "exceptions"])
def test_a_retry_is_known_after_a_restart(settings: Settings, workers: list[Worker], verdicts_told: str) -> None:
    """A new worker first reads the verdicts of the last span, those for the warehouse alone included."""
    settings = msgspec.structs.replace(settings, default=ModelSettings(verdicts=verdicts_told))  # type: ignore[arg-type]
    send(settings.kafka, [event(n) for n in range(200)])
    workers.append(Worker(settings))
    until(settings.kafka, {f"e-{n}" for n in range(200)})
    workers.pop().end()
    send(settings.kafka, [event(n) for n in range(100, 300)])
    workers.append(Worker(settings))
    counted = until(settings.kafka, {f"e-{n}" for n in range(300)})
    assert set(counted.values()) == {1}


def test_without_a_span_every_copy_is_judged(settings: Settings, workers: list[Worker]) -> None:
    """``dedupe_span_seconds = 0`` switches it off."""
    worker = msgspec.structs.replace(settings.worker, dedupe_span_seconds=0)
    settings = msgspec.structs.replace(settings, worker=worker)
    send(settings.kafka, [event(1), event(1), event(2)])
    workers.append(Worker(settings))
    assert until(settings.kafka, {"e-1", "e-2"}) == {"e-1": 2, "e-2": 1}


def test_a_partition_that_changes_hands_takes_its_memory_along(settings: Settings, workers: list[Worker]) -> None:
    """Two workers join one after the other; each knows what the other has judged."""
    workers.append(Worker(settings, "0"))
    for begin in (0, 100, 200):
        send(settings.kafka, [event(n) for n in range(begin, begin + 100)])
        until(settings.kafka, {f"e-{n}" for n in range(begin + 100)})
        if begin == 0:
            workers.append(Worker(settings, "1"))
    send(settings.kafka, [event(n) for n in range(301)])
    counted = until(settings.kafka, {f"e-{n}" for n in range(301)})
    assert set(counted.values()) == {1}


def test_corrections_of_the_log_answer_questions_again(settings: Settings, workers: list[Worker]) -> None:
    """With ``decided_before_seconds`` INTAKE reads settled answers, and gives them to the same question."""
    triage = TriageSettings(decided_before_seconds=3_600, audit_rate=0.001)
    settings = msgspec.structs.replace(settings, default=ModelSettings(triage=triage))
    outbox = Outbox(settings.kafka)
    settled = Correction(
        correction_id="c-1",
        model="m",
        event_id="e-earlier",
        time=0,
        created_at=int(time.time() * 1000),
        label="b",
        source="review",
        features={"x": 7.0},
        prediction="a",
        confidence=0.9,
        inclusion_probability=1.0,
    )
    outbox.send(CORRECTIONS, "m", settled)
    outbox.flush()
    send(settings.kafka, [event(7, confidence=0.5), event(8)])
    workers.append(Worker(settings))
    until(settings.kafka, {"e-7", "e-8"})
    by_id = {verdict.event_id: verdict for verdict in verdicts(settings.kafka)}
    assert (by_id["e-7"].correction_id, by_id["e-7"].settled_label) == ("c-1", "b")
    assert by_id["e-7"].reasons == ("decided before",)
    assert by_id["e-8"].correction_id == ""


def test_an_odd_verdict_of_an_array_hides_no_other(settings: Settings) -> None:
    """A foreign element between verdicts costs the memory of no other event."""
    parts = [msgspec.json.encode({"model": "m", "event_id": f"e-{n}"}) for n in range(3)]
    outbox = Outbox(settings.kafka)
    outbox.send(VERDICTS, "m", b"[" + b",".join([parts[0], b'{"model":NaN}', parts[1], b'{"model":7}']) + b"]")
    outbox.send(VERDICTS, "m", b'[{"model":"m]')
    outbox.send(VERDICTS, "m", parts[2])
    outbox.flush()
    seen = SeenEvents(settings.worker.dedupe_span_seconds, 1)
    recall(settings, seen, [AssignedPartition(PREDICTIONS.name, 0, None)])
    assert len(seen) == 3


def test_verdicts_of_both_encodings_are_recalled(settings: Settings) -> None:
    """Arrow messages count like JSON; a wrong row and a damaged stream hide no other verdict."""
    verdicts = [any_verdict(number, model=f"m{number % 2}") for number in range(6)]
    batch = batch_of_verdicts(verdicts)
    (data,) = verdict_streams(batch, rows_max=10, bytes_max=2**20)
    mended = msgspec.structs.replace(verdicts[5], event_id="e-6")
    wrong = batch_of_verdicts([msgspec.structs.replace(verdicts[4], event_id=""), mended])
    outbox = Outbox(settings.kafka)
    outbox.send(VERDICTS_ACCEPTED, "m0", data)
    outbox.send(VERDICTS, "m1", data[:-100])
    outbox.send(VERDICTS, "m1", next(iter(verdict_streams(wrong, rows_max=10, bytes_max=2**20))))
    outbox.send(VERDICTS, "m1", verdicts[1])
    outbox.flush()
    seen = SeenEvents(settings.worker.dedupe_span_seconds, 1)
    recall(settings, seen, [AssignedPartition(PREDICTIONS.name, 0, None)])
    ids = identities(["e-1", "e-3", "e-5", "e-6", "e-0"], model_salt("m1"))
    fresh = seen.first_seen(ids, int(time.time() * 1000))
    assert fresh is not None
    assert fresh.tolist() == [False] * 4 + [True]
