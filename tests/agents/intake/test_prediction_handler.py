"""INTAKE on records in memory: every prediction gets one verdict, and all that follows from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from typing import Any, Literal

import msgspec
import pytest

from agents.intake.judge import Judge, JudgeSettings
from agents.intake.prediction_handler import PredictionHandler
from agents.shared.metrics import INTAKE_DUPLICATES
from agents.shared.model_places import ModelPlaces
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.triage.decided_before import DecidedBefore
from schemas.codec import decode_one_or_many
from schemas.topics import BLOCKS, REJECTS, REVIEW_EVENTS, VERDICTS, VERDICTS_ACCEPTED, Topic
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.reject import Reject
from schemas.wire.task import Task
from schemas.wire.verdict import Verdict
from streams.arrow.mark import is_stream
from streams.consume.seen_events import SeenEvents
from streams.errors import KafkaUnreachable
from streams.predictions.prediction_reader import PredictionReader
from streams.verdicts.messages import read_verdicts
from tests.support.arrow_rows import ARROW_HEADERS, arrow_of
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord

NOW_MS = 1_700_000_000_000
TRIAGE = TriageSettings(budget=0.2, audit_rate=0.05)


def prediction(number: int, model: str = "churn", **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"{model}-{number}",
        "model": model,
        "model_version": "3",
        "time": NOW_MS + number,
        "features": {"age": number % 70, "plan": "gold" if number % 3 else "free"},
        "prediction": "stay" if number % 2 else "go",
        "confidence": 0.5 + (number * 37 % 100) / 200,
    } | changes


def records(values: list[Any], begin: int = 0, partitions: int = 2) -> list[PlainRecord]:
    """One message each, spread over partitions, with the offsets of each in order."""
    counts = dict.fromkeys(range(partitions), begin)
    sent = []
    for number, value in enumerate(values):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        partition = number % partitions
        sent.append(
            PlainRecord(
                data, partition_number=partition, number=counts[partition], key_bytes=b"k", time_ms=NOW_MS + 10**6
            )
        )
        counts[partition] += 1
    return sent


def intake(
    *,
    models_max: int = 10,
    configured: Collection[str] = (),
    labels: tuple[str, ...] = (),
    verdicts: Literal["all", "exceptions"] = "all",
    decided: DecidedBefore | None = None,
    message_bytes_max: int = 2**20,
) -> PredictionHandler:
    judge = Judge(
        JudgeSettings(
            triage=lambda model: TRIAGE,
            labels=lambda model: labels,
            drift=DriftSettings(),
            queue=QueueSettings(),
            verdicts=lambda model: verdicts,
            message_bytes_max=message_bytes_max,
        ),
        reference_of=lambda model: None,
        serving_of=lambda model: None,
        decided_of=lambda model: decided,
        places=ModelPlaces(models_max, configured),
    )
    return PredictionHandler(
        PredictionReader(PREFIX, future_ms_max=60_000, models_max=models_max),
        judge,
        elements_max=100_000,
        seen=SeenEvents(60, 1),
        clock=lambda: NOW_MS / 1000,
    )


def run(values: list[Any], **options: Any) -> CollectingOutbox:
    outbox = CollectingOutbox()
    intake(**options).handle(records(values), outbox)
    return outbox


def verdicts_of(outbox: CollectingOutbox) -> list[Verdict]:
    return [value for value in outbox.of(VERDICTS) if isinstance(value, Verdict)]


def tasks_of(outbox: CollectingOutbox) -> list[Task]:
    return [value for value in outbox.of(REVIEW_EVENTS) if isinstance(value, Task)]


def blocks_of(outbox: CollectingOutbox) -> list[Block]:
    return [value for value in outbox.of(BLOCKS) if isinstance(value, Block)]


def test_every_prediction_gets_one_verdict() -> None:
    """Messages hold one prediction or an array: there are as many verdicts as predictions, each about its own."""
    values = [prediction(n) for n in range(500)]
    arrays: list[Any] = [values[start : start + 50] for start in range(300, 500, 50)]
    verdicts = verdicts_of(run([*values[:300], *arrays]))
    assert sorted(v.event_id for v in verdicts) == sorted(str(value["event_id"]) for value in values)
    times = {str(value["event_id"]): value["time"] for value in values}
    assert {v.event_id: v.time for v in verdicts} == times
    assert {v.decided_at for v in verdicts} == {NOW_MS}
    assert all(v.model_version == "3" and v.policy_version and v.reasons for v in verdicts)


def test_inclusion_probabilities_are_never_zero_where_review_is_allowed() -> None:
    """Consent to review means a known chance above zero; no consent means zero, no task, and no review."""
    values = [prediction(n, consent={"review": n % 5 != 0, "learn": True}) for n in range(1_000)]
    outbox = run(values)
    for verdict in verdicts_of(outbox):
        allowed = int(verdict.event_id.rpartition("-")[2]) % 5 != 0
        assert (verdict.inclusion_probability > 0) == allowed
        if not allowed:
            assert verdict.task_id == ""
    assert not any(
        int(task.evidence.event_id.rpartition("-")[2]) % 5 == 0 for task in tasks_of(outbox) if task.evidence
    )


def test_tasks_are_of_seen_events_and_in_their_verdicts() -> None:
    """A verdict names its task exactly where a person will see the event, and the task carries what learning needs."""
    values = {str(v["event_id"]): v for v in (prediction(n) for n in range(2_000))}
    outbox = run(list(values.values()))
    verdicts = {verdict.event_id: verdict for verdict in verdicts_of(outbox)}
    tasks = tasks_of(outbox)
    assert len({task.task_id for task in tasks}) == len(tasks) > 0
    for task in tasks:
        assert task.evidence is not None
        verdict = verdicts[task.evidence.event_id]
        assert verdict.task_id == task.task_id
        assert task.inclusion_probability == verdict.inclusion_probability
        assert task.evidence.features == values[verdict.event_id]["features"]
        drawn = task.audit_probability > 0.0
        assert task.audit_probability in (0.0, TRIAGE.audit_rate)
        assert drawn or not verdict.audit
        assert task.lane == ("audit" if drawn else verdict.decision)
    seen = {verdict.event_id for verdict in verdicts.values() if verdict.task_id}
    assert seen == {task.evidence.event_id for task in tasks if task.evidence}
    assert seen == {v.event_id for v in verdicts.values() if v.decision != "accept" or v.audit}


def test_the_budget_holds() -> None:
    """Over some thousand events people see no more than the budget allows, and audits happen."""
    verdicts = verdicts_of(run([prediction(n) for n in range(4_000)]))
    seen = [v for v in verdicts if v.decision != "accept" or v.audit]
    assert 0.05 < len(seen) / len(verdicts) <= 0.22
    assert any(v.audit for v in verdicts)


def test_blocks_cover_every_event() -> None:
    """Blocks of a batch add up to its events, model by model."""
    values = [prediction(n, model) for n in range(700) for model in ("churn", "fraud")]
    sums: dict[str, int] = {}
    for block in blocks_of(run(values)):
        sums[block.model] = sums.get(block.model, 0) + block.events
    assert sums == {"churn": 700, "fraud": 700}


def test_models_do_not_mix() -> None:
    """Several models in one array message: keys and verdicts keep them apart."""
    outbox = run([[prediction(n, model) for n in range(100) for model in ("a", "b", "c")]])
    for name, key, value in outbox.sent:
        if name == VERDICTS.name:
            assert isinstance(value, bytes)
            assert {verdict.model.encode() for verdict in decode_one_or_many(Verdict, value)} == {key}
    assert len(verdicts_of(outbox)) == 300


def test_rejects_do_not_stop_the_rest() -> None:
    """What cannot be read becomes a Reject with its bytes; everything else gets its verdict."""
    bad = [b"rubbish", b"", json.dumps(prediction(1, time="x")).encode()]
    outbox = run([prediction(0), *bad, prediction(2)])
    rejects = [value for value in outbox.of(REJECTS) if isinstance(value, Reject)]
    assert len(verdicts_of(outbox)) == 2
    assert sorted(reject.original for reject in rejects) == sorted(bad)


def test_what_is_sent_can_be_read() -> None:
    """Every value on every topic decodes again, whatever the features were."""
    odd = {"text": "ä\u0000\u2028😀", "big": 10**30, "none": None, "flag": True, "tiny": 1e-300, "large": 1e300}
    outbox = run([prediction(n, features=odd, prediction=n % 3) for n in range(300)])
    for topic in (VERDICTS, REVIEW_EVENTS, BLOCKS):
        assert outbox.of(topic)
        for value in outbox.of(topic):
            assert isinstance(value, msgspec.Struct)
            assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_choices_are_what_was_declared_or_seen() -> None:
    """A reviewer is offered the declared labels in their order, or else those that the model has given."""
    values = [prediction(n, confidence=0.5) for n in range(400)]
    assert {task.choices for task in tasks_of(run(values, labels=("stay", "go", "unknown")))} == {
        ("stay", "go", "unknown")
    }
    assert all(set(task.choices) <= {"stay", "go"} for task in tasks_of(run(values)))


@pytest.mark.parametrize("known", [False, True])
def test_undo_forgets_the_batch(known: bool) -> None:
    """After an aborted transaction the same batch is decided as if it came for the first time."""
    first, batch = [prediction(n) for n in range(600)], [prediction(n) for n in range(600, 900)]
    once, twice = intake(), intake()
    expected, aborted, again = CollectingOutbox(), CollectingOutbox(), CollectingOutbox()
    if known:
        for handler in (once, twice):
            handler.handle(records(first), CollectingOutbox())
            handler.committed()
    once.handle(records(batch, begin=300), expected)
    twice.handle(records(batch, begin=300), aborted)
    twice.undo()
    twice.handle(records(batch, begin=300), again)
    assert as_sent(again) == as_sent(expected)


def as_sent(outbox: CollectingOutbox) -> Any:
    """Features as they travel: some are encoded from values that only look like them."""
    return msgspec.json.decode(msgspec.json.encode(outbox.sent))


def test_a_restart_decides_audits_alike() -> None:
    """Sampling is by hash: another worker draws the same audit sample from the same events."""
    values = [prediction(n) for n in range(2_000)]
    first, second = verdicts_of(run(values)), verdicts_of(run(values))
    assert [v.audit for v in first] == [v.audit for v in second]


def test_a_retry_gets_no_second_verdict() -> None:
    """A producer's second copy, in the same message or a later batch, is counted and judged once."""
    handler = intake()
    first, second = CollectingOutbox(), CollectingOutbox()
    values = [prediction(n) for n in range(100)]
    before = INTAKE_DUPLICATES._value.get()
    handler.handle(records([*values, values[3]]), first)
    handler.committed()
    handler.handle(records([[prediction(7), prediction(100), prediction(100)]], begin=60), second)
    assert [verdict.event_id for verdict in verdicts_of(second)] == ["churn-100"]
    assert len({verdict.event_id for verdict in verdicts_of(first)}) == len(verdicts_of(first)) == 100
    assert sum(block.events for block in first.of(BLOCKS) if isinstance(block, Block)) == 100
    assert INTAKE_DUPLICATES._value.get() - before == 3


def test_an_aborted_batch_is_no_first_copy() -> None:
    """What was undone comes again and is judged: it has had no verdict yet."""
    handler, again = intake(), CollectingOutbox()
    batch = records([prediction(n) for n in range(50)])
    handler.handle(batch, CollectingOutbox())
    handler.undo()
    handler.handle(batch, again)
    assert len(verdicts_of(again)) == 50


def test_a_producer_may_want_exceptions_only() -> None:
    """Plain acceptances go to the warehouse's topic, all others to the producer's; together they are complete."""
    values = [prediction(n) for n in range(600)]
    everything = verdicts_of(run(values))
    apart = run(values, verdicts="exceptions")
    told = verdicts_of(apart)
    rest = [value for value in apart.of(VERDICTS_ACCEPTED) if isinstance(value, Verdict)]
    assert told
    assert all(verdict.decision != "accept" or verdict.audit for verdict in told)
    assert all(verdict.decision == "accept" and not verdict.audit for verdict in rest)
    by_id = {verdict.event_id: verdict for verdict in [*told, *rest]}
    assert len(by_id) == len(told) + len(rest) == 600
    assert by_id == {verdict.event_id: verdict for verdict in everything}


def test_a_settled_answer_answers_the_same_question() -> None:
    """The verdict accepts, says that it was decided before, by which correction and how; only the audit asks again."""
    decided = DecidedBefore(3_600, 100)
    question = prediction(1)["features"]
    decided.hear(
        Correction(
            correction_id="c-1",
            model="churn",
            event_id="earlier",
            time=NOW_MS,
            created_at=NOW_MS,
            label="go",
            source="adjudication",
            features=question,
            prediction="stay",
            confidence=0.5,
            inclusion_probability=1.0,
        )
    )
    values = [prediction(n, features=question, confidence=0.5) for n in range(300)]
    verdicts = verdicts_of(run([*values, prediction(300, features=question | {"age": 2})], decided=decided))
    same = [verdict for verdict in verdicts if verdict.event_id != "churn-300"]
    (other,) = (verdict for verdict in verdicts if verdict.event_id == "churn-300")
    assert {(v.correction_id, v.settled_label, v.decision) for v in same} == {("c-1", "go", "accept")}
    assert {v.reasons for v in same if not v.audit} == {("decided before",)}
    assert {v.inclusion_probability for v in same} == {TRIAGE.audit_rate}
    assert 0 < sum(v.audit for v in same) < 60
    assert other.correction_id == ""
    exceptions = verdicts_of(run(values, decided=decided, verdicts="exceptions"))
    assert len(exceptions) == 300


def arrow_records(messages: list[list[dict[str, Any]]]) -> list[PlainRecord]:
    """Messages of one partition, every second of them as Arrow."""
    return [
        PlainRecord(
            arrow_of(values) if number % 2 else json.dumps(values).encode(),
            number=number,
            time_ms=NOW_MS + 10**6,
            header_list=ARROW_HEADERS if number % 2 else None,
        )
        for number, values in enumerate(messages)
    ]


@pytest.mark.parametrize("told", ["all", "exceptions"])
def test_verdicts_come_as_the_predictions_came(told: Literal["all", "exceptions"]) -> None:
    """Verdicts of one model are Arrow where its producer sent Arrow, JSON elsewhere, and in the order of the events."""
    values = [[prediction(n, "mn"[n % 5 == 0]) for n in range(start, start + 40)] for start in range(0, 400, 40)]
    values[3][7]["confidence"] = 1.7  # an odd Arrow message is read row by row
    outbox, all_json = CollectingOutbox(), CollectingOutbox()
    handler = intake(verdicts=told)
    handler.handle(arrow_records(values), outbox)
    plain = intake(verdicts=told)
    plain.handle([dataclasses.replace(record, data=json.dumps(some).encode(), header_list=None)
                  for record, some in zip(arrow_records(values), values, strict=True)], all_json)  # fmt: skip
    message_of = {value["event_id"]: number for number, some in enumerate(values) for value in some}
    for name, key, data in outbox.sent:
        if name == VERDICTS.name:
            assert isinstance(data, bytes)
            for verdict in read_verdicts(data, 1_000).values:
                assert verdict.model.encode() == key
                assert message_of[verdict.event_id] % 2 == is_stream(data)
    for topic in (VERDICTS, VERDICTS_ACCEPTED):
        for model in "mn":
            assert of_model(outbox, topic, model) == of_model(all_json, topic, model)
    assert len(outbox.of(VERDICTS)) + len(outbox.of(VERDICTS_ACCEPTED)) == 399
    assert bool(outbox.of(VERDICTS_ACCEPTED)) == (told == "exceptions")


def of_model(outbox: CollectingOutbox, topic: Topic, model: str) -> list[Verdict]:
    return [value for value in outbox.of(topic) if isinstance(value, Verdict) and value.model == model]


def test_acceptances_of_many_models_share_messages() -> None:
    """For the warehouse one Arrow message holds the acceptances of all models of a batch, with every field."""
    values = [prediction(n, f"model-{n % 30}", model_version=str(n % 30)) for n in range(900)]
    handler, outbox = intake(verdicts="exceptions", models_max=30), CollectingOutbox()
    handler.handle(records(values), outbox)
    (data,) = [value for name, _, value in outbox.sent if name == VERDICTS_ACCEPTED.name]
    assert isinstance(data, bytes)
    assert is_stream(data)
    everything = {verdict.event_id: verdict for verdict in verdicts_of(run(values, models_max=30))}
    accepted = read_verdicts(data, 1_000).values
    assert {verdict.model for verdict in accepted} == {f"model-{n}" for n in range(30)}
    assert [everything[verdict.event_id] for verdict in accepted] == accepted
    handler.handle(records(values[:1], begin=1_000), second := CollectingOutbox())
    assert second.of(VERDICTS_ACCEPTED) == []


def test_acceptances_of_an_aborted_batch_are_forgotten() -> None:
    """What a batch gathered and never sent is not sent with the next."""
    handler, outbox = intake(verdicts="exceptions"), CollectingOutbox()

    class Full(CollectingOutbox):
        def send(self, topic: Topic, key: str | bytes, value: Any) -> None:
            if topic is BLOCKS:
                raise KafkaUnreachable("no broker answers")

    with pytest.raises(KafkaUnreachable):
        handler.handle(records([prediction(n) for n in range(50)]), Full())
    handler.undo()
    handler.handle(records([prediction(n) for n in range(50)]), outbox)
    assert len(outbox.of(VERDICTS)) + len(outbox.of(VERDICTS_ACCEPTED)) == 50


def test_messages_of_verdicts_fit_into_kafka() -> None:
    """With long ids and a small limit verdicts are cut into more messages."""
    values = [prediction(n, event_id="😀" * 190 + str(n)) for n in range(1_000)]
    handler, outbox = intake(verdicts="exceptions", message_bytes_max=64 * 1024), CollectingOutbox()
    handler.handle(arrow_records([values[:500], values[500:]]), outbox)
    sizes = [
        len(value) for name, _, value in outbox.sent if name == VERDICTS_ACCEPTED.name and isinstance(value, bytes)
    ]
    assert len(sizes) > 10
    assert max(sizes) <= 48 * 1024
    assert len(outbox.of(VERDICTS)) + len(outbox.of(VERDICTS_ACCEPTED)) == 1_000
