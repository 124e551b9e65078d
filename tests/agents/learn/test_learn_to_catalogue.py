"""LEARN publishes signed snapshots through a real Kafka, and INTAKE's catalogue takes them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from agents.intake.catalogue import Catalogue
from agents.learn.correction_handler import CorrectionHandler
from agents.learn.learners import Learners
from agents.learn.snapshot_publisher import SnapshotPublisher
from agents.shared.seen_models import SeenModels
from learning.settings import LearnSettings
from learning.snapshots.signing import SigningKey
from schemas.codec import encode
from schemas.topics import GATES, MODEL_CHUNKS, MODELS, REJECTS
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.manifest import CANDIDATE, Manifest
from schemas.wire.reject import Reject
from streams.consume.batches import AssignedPartition
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord

pytestmark = pytest.mark.servers

MODEL = "m"
LIMIT = 64 * 1024 * 1024


def stopped_clock() -> float:
    """The same time at every call, in seconds since 1970."""
    return 1_700_000_000.0


QUICK = LearnSettings(
    inclusion_probability_min=0.5,
    members=("production", "recalibrated", "logistic"),
    restart_corrections=50,
    gate_step_corrections=20,
    refresh_corrections=30,
)


def corrections(count: int, *, begin: int = 0) -> list[bytes]:
    """Production says yes where x > 0 and is always wrong."""
    draws = np.random.default_rng(7).normal(size=begin + count).tolist()[begin:]
    return [
        encode(
            Correction(
                correction_id=f"c{number}",
                model=MODEL,
                event_id=f"e{number}",
                time=number,
                created_at=1_000 + number,
                label="no" if x > 0 else "yes",
                source="review",
                features={"x": x},
                prediction="yes" if x > 0 else "no",
                confidence=0.8,
                inclusion_probability=1.0,
                audit_probability=1.0,
                challenger_prediction="no" if x > 0 else "yes",
                challenger_version="m-1",
            )
        )
        for number, x in enumerate(draws, begin)
    ]


def records(values: Sequence[bytes], begin: int = 0) -> list[PlainRecord]:
    return [PlainRecord(value, name="corrections", number=begin + n) for n, value in enumerate(values)]


@pytest.fixture
def key(tmp_path: pathlib.Path) -> SigningKey:
    made = SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")
    made.publish(tmp_path / "keys" / "public")
    return made


@pytest.fixture
def known(tmp_path: pathlib.Path, key: SigningKey) -> Callable[[], SeenModels]:
    """The manifests that INTAKE has seen when it starts."""
    return lambda: SeenModels(tmp_path / "state" / "models-intake-0.json", tmp_path / "keys" / "public", "intake", "")


def learner(
    key: SigningKey, published: dict[str, Manifest] | None = None, committed: int | None = None
) -> CorrectionHandler:
    publisher = SnapshotPublisher(key, lambda model: QUICK, clock=stopped_clock)
    learners = Learners(lambda model: QUICK, publisher, publish_seconds_min=0.0, clock=stopped_clock)
    handler = CorrectionHandler(learners, publisher, PREFIX, load=lambda: dict(published or {}), clock=stopped_clock)
    starts = handler.assigned([AssignedPartition("corrections", 0, committed)])
    assert starts == {("corrections", 0): 0}
    return handler


def in_charge(outbox: CollectingOutbox) -> list[Manifest]:
    return [m for m in outbox.of(MODELS) if isinstance(m, Manifest) and m.recipe != CANDIDATE]


def test_a_promotion_reaches_the_catalogue(
    kafka_topics: KafkaSettings, key: SigningKey, known: Callable[[], SeenModels]
) -> None:
    """The model that passes the gate serves in INTAKE, and answers better than production did."""
    outbox = Outbox(kafka_topics)
    learner(key).handle(records(corrections(600)), outbox)
    outbox.flush()
    catalogue = Catalogue(kafka_topics, known(), LIMIT)
    catalogue.catch_up()
    serving = catalogue.serving_of(MODEL)
    assert serving is not None
    assert serving.version.startswith(MODEL)
    again = Catalogue(kafka_topics, known(), LIMIT)
    again.catch_up()
    assert again.serving_of(MODEL) is not None
    assert again.serving_of(MODEL).version == serving.version  # type: ignore[union-attr]
    assert catalogue.serving_of("somebody else's") is None


def test_a_wrong_signature_changes_nothing(
    kafka_topics: KafkaSettings, key: SigningKey, known: Callable[[], SeenModels], tmp_path: pathlib.Path
) -> None:
    """A snapshot signed with another key, or with a changed manifest, is refused: the model in charge stays."""
    good, forged = CollectingOutbox(), CollectingOutbox()
    learner(key).handle(records(corrections(600)), good)  # type: ignore[arg-type]
    stranger = SigningKey.load_or_create(tmp_path / "elsewhere" / "signing.pem")
    learner(stranger).handle(records(corrections(700)), forged)  # type: ignore[arg-type]
    outbox = Outbox(kafka_topics)

    def publish(collected: CollectingOutbox) -> None:
        for name, where, value in collected.sent:
            for topic in (MODELS, MODEL_CHUNKS):
                if name == topic.name:
                    outbox.send(topic, where, value)  # type: ignore[arg-type]
        outbox.flush()

    publish(good)
    catalogue = Catalogue(kafka_topics, known(), LIMIT)
    catalogue.catch_up()
    before = catalogue.serving_of(MODEL)
    assert before is not None
    publish(forged)
    changed = msgspec.structs.replace(in_charge(good)[-1], version="m-evil", recipe="production", chunks=0)
    outbox.send(MODELS, MODEL, changed)
    outbox.send(MODELS, MODEL, b"rubbish")
    outbox.flush()
    catalogue.catch_up()
    assert catalogue.serving_of(MODEL) is not None
    assert catalogue.serving_of(MODEL).version == before.version  # type: ignore[union-attr]


def test_a_restart_learns_again_and_tells_nothing_twice(key: SigningKey) -> None:
    """Committed corrections are learned again and nothing is sent of them; later ones go on as without a restart."""
    values = corrections(700)
    through, before, after = CollectingOutbox(), CollectingOutbox(), CollectingOutbox()
    learner(key).handle(records(values), through)  # type: ignore[arg-type]
    learner(key).handle(records(values[:400]), before)  # type: ignore[arg-type]
    published = {m.model: m for m in in_charge(before)}
    restarted = learner(key, published, committed=400)
    restarted.handle(records(values[:400]), after)  # type: ignore[arg-type]
    assert not after.of(GATES)
    assert not in_charge(after)
    restarted.handle(records(values[400:], begin=400), after)  # type: ignore[arg-type]

    def steps(*outboxes: CollectingOutbox) -> list[bytes]:
        return [encode(step) for outbox in outboxes for step in outbox.of(GATES) if isinstance(step, GateStep)]

    assert steps(before, after) == steps(through)
    assert in_charge(through)
    assert in_charge(before)[-1:] + in_charge(after)
    assert (in_charge(before) + in_charge(after))[-1].version == in_charge(through)[-1].version


def test_old_chunks_are_ended(key: SigningKey) -> None:
    """Of all published versions, only those of the newest manifests keep their chunks."""
    outbox = CollectingOutbox()
    handler = learner(key)
    values = corrections(700)
    for start in range(0, 700, 100):
        handler.handle(records(values[start : start + 100], begin=start), outbox)  # type: ignore[arg-type]
    alive: dict[str | bytes, bool] = {}
    for name, where, value in outbox.sent:
        if name == MODEL_CHUNKS.name:
            alive[where] = value is not None
    newest = in_charge(outbox)[-1]
    assert {str(where) for where, is_alive in alive.items() if is_alive} == {
        f"{MODEL}/{newest.version}/{number}" for number in range(newest.chunks)
    }


def test_rubbish_is_rejected_once(key: SigningKey) -> None:
    """A correction that cannot be read is rejected when it is new, and not again after a restart."""
    outbox = CollectingOutbox()
    learner(key).handle(records([b"rubbish"]), outbox)  # type: ignore[arg-type]
    (reject,) = outbox.of(REJECTS)
    assert isinstance(reject, Reject)
    assert (reject.original, reject.role) == (b"rubbish", "learn")
    again = CollectingOutbox()
    learner(key, committed=1).handle(records([b"rubbish"]), again)  # type: ignore[arg-type]
    assert again.sent == []
