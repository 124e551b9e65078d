"""kill -9 of an INTAKE worker on a real Kafka: its successor's verdicts are those of a worker that never died."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import msgspec
import pytest

from agents.intake.triage_log import read_states
from review.settings import TriageSettings
from schemas.codec import decode_one_or_many
from schemas.topics import PREDICTIONS, TRIAGE_STATE, VERDICTS
from schemas.wire.verdict import Verdict
from streams.admin.topics import create_topics
from streams.consume.log_reader import LogReader
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.program import ROOT, environment
from tests.support.triage_workers import Log, Worker, predictions
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers

HALF = 1_000


def verdicts(kafka: KafkaSettings) -> list[Verdict]:
    """All committed verdicts, in order: there is one partition."""
    received: list[Verdict] = []

    def hear(record: Record) -> None:
        received.extend(decode_one_or_many(Verdict, record.value() or b""))

    reader = LogReader(kafka, {VERDICTS.name: hear})
    reader.catch_up()
    reader.close()
    return received


def worker(kafka: KafkaSettings, folder: pathlib.Path, **more: str) -> subprocess.Popen[bytes]:
    variables = {
        "WATCHLOOP_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "WATCHLOOP_KAFKA_PREFIX": kafka.prefix,
        "WATCHLOOP_KAFKA_PARTITIONS": "1",
        "WATCHLOOP_WORKER_DATA": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
        **more,
    }
    command = [sys.executable, "-m", "watchloop", "worker", "--role", "intake"]
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, env=environment(**variables), cwd=folder, stdout=log, stderr=log)


def test_kill_and_restart_change_no_decision(kafka_prefix: KafkaSettings, tmp_path: pathlib.Path) -> None:
    """Half of the events, kill -9, rubbish on the log, a new worker with the same slot, the other half."""
    kafka = msgspec.structs.replace(kafka_prefix, partitions=1)
    create_topics(kafka)
    outbox = Outbox(kafka)
    process = worker(kafka, tmp_path)
    try:
        for number in (1, 2):
            events = predictions((number - 1) * HALF, number * HALF)
            outbox.send(PREDICTIONS, "k", msgspec.json.encode(events))
            outbox.flush()
            eventually(
                f"verdicts of {number * HALF} events",
                lambda wanted=number * HALF: len(verdicts(kafka)) >= wanted,
                lambda: (tmp_path / "worker.log").read_text()[-3_000:],
            )
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            if number == 1:
                outbox.send(TRIAGE_STATE, "rubbish", b"{")
                outbox.flush()
                process = worker(kafka, tmp_path)
    finally:
        process.kill()
        process.wait()
    received = verdicts(kafka)
    wanted = Worker(Log(), triage=TriageSettings()).handle(predictions(0, 2 * HALF))

    def decided(given: list[Verdict]) -> list[tuple[object, ...]]:
        return [(v.event_id, v.decision, v.audit, v.inclusion_probability, v.reasons) for v in given]

    assert decided(received) == decided(wanted)
    assert (tmp_path / "worker.log").read_text().count("state of triage not readable") == 1
    assert any(v.decision == "review" for v in received[HALF : HALF + 250]), "no warm-up after the restart"


def models_of_the_state(kafka: KafkaSettings) -> set[str]:
    """The models in triage.state, read as a starting worker reads it."""
    return set(read_states(kafka).inherited([0], lambda _model: TriageSettings()))


def test_strangers_names_keep_no_place_over_a_restart(kafka_prefix: KafkaSettings, tmp_path: pathlib.Path) -> None:
    """A hundred names fill all places; after kill -9 a new model is judged, and the log has the models with a place."""
    kafka = msgspec.structs.replace(kafka_prefix, partitions=1)
    create_topics(kafka)
    outbox = Outbox(kafka)
    process = worker(kafka, tmp_path, WATCHLOOP_WORKER_MODELS_MAX="5")
    names = [f"junk-{number}" for number in range(100)]
    try:
        for model in (names, ["honest"]):
            wanted = len(verdicts(kafka)) + 3 * len(model)
            for name in model:
                outbox.send(PREDICTIONS, "k", msgspec.json.encode(predictions(0, 3, name)))
            outbox.flush()
            eventually(
                f"verdicts of {len(model)} models",
                lambda wanted=wanted: len(verdicts(kafka)) >= wanted,
                lambda: (tmp_path / "worker.log").read_text()[-3_000:],
            )
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            if model is names:
                assert models_of_the_state(kafka) == set(names[-5:])
                process = worker(kafka, tmp_path, WATCHLOOP_WORKER_MODELS_MAX="5")
    finally:
        process.kill()
        process.wait()
    assert {verdict.model for verdict in verdicts(kafka)} == {*names, "honest"}
    assert models_of_the_state(kafka) == {*names[-4:], "honest"}
