"""INTAKE against an attacker who writes to its models' topics: nothing older, forged or unsigned serves."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import msgspec
import pytest

from agents.desk.desk_state import DeskState
from agents.intake.catalogue import Catalogue
from agents.learn.snapshot_publisher import SnapshotPublisher
from agents.settings import Settings
from agents.shared.metrics import MANIFESTS_REFUSED
from agents.shared.seen_models import SeenModels
from learning.learner import Learner
from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.snapshots.signing import SigningKey
from learning.snapshots.snapshot import Lineage
from schemas.codec import encode
from schemas.topics import MODEL_CHUNKS, MODELS
from schemas.wire.manifest import CANDIDATE, PRODUCTION, STACK, Manifest
from streams.admin.topics import create_topics, topic_ids
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from tests.support.plain_record import CollectingOutbox, PlainRecord

pytestmark = pytest.mark.servers

MODEL = "m"
LIMIT = 64 * 1024 * 1024


class World:
    """A log, LEARN's key, and a folder of INTAKE that outlives restarts."""

    def __init__(self, kafka: KafkaSettings, folder: pathlib.Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.key = SigningKey.load_or_create(folder / "keys" / "signing.pem")
        self.key.publish(folder / "keys" / "public")
        self.topic_id = topic_ids(kafka, [MODELS])[MODELS.name]
        self.now = 1_700_000_000.0
        self.learn = self.learner(self.key)
        self.outbox = Outbox(kafka)

    def learner(self, key: SigningKey, topic_id: str | None = None) -> SnapshotPublisher:
        wanted = self.topic_id if topic_id is None else topic_id
        return SnapshotPublisher(key, lambda model: LearnSettings(), topic_id=wanted, clock=lambda: self.now)

    def made(
        self, version: str, *, learn: SnapshotPublisher | None = None, recipe: str = STACK, model: str = MODEL
    ) -> Sent:
        """What LEARN writes for a version, before it is on the log."""
        collected = CollectingOutbox()
        serving = None if recipe == PRODUCTION else serving_model(version, model)
        lineage = Lineage(model=model, version=version, recipe=recipe, created_at=5)
        (learn or self.learn).publish(serving, lineage, collected)  # type: ignore[arg-type]
        return [(name, key, value) for name, key, value in collected.sent]

    def write(self, sent: Sent) -> None:
        for name, key, value in sent:
            self.outbox.send(MODELS if name == MODELS.name else MODEL_CHUNKS, key, value)  # type: ignore[arg-type]
        self.outbox.flush()

    def intake(self) -> Catalogue:
        """INTAKE as it starts, with what its folder has."""
        known = SeenModels.of(
            msgspec.structs.replace(
                Settings(), worker=msgspec.structs.replace(Settings().worker, data=str(self.folder))
            ),
            "intake",
            self.topic_id,
            slot="0",
        )
        catalogue = Catalogue(self.kafka, known, LIMIT)
        catalogue.catch_up()
        return catalogue


Sent = list[tuple[str, str | bytes, object]]


def serving_model(version: str, model: str = MODEL) -> ServingModel:
    learner = Learner(model, LearnSettings(members=("production", "recalibrated", "logistic")))
    return dataclasses.replace(learner.candidate(), version=version)


def manifest_of(sent: Sent) -> Manifest:
    (manifest,) = (value for name, _, value in sent if name == MODELS.name and isinstance(value, Manifest))
    return manifest


def chunks_of(sent: Sent) -> Sent:
    return [message for message in sent if message[0] == MODEL_CHUNKS.name and message[2] is not None]


def version_of(catalogue: Catalogue) -> str | None:
    serving = catalogue.serving_of(MODEL)
    return None if serving is None else serving.version


def refused() -> float:
    return MANIFESTS_REFUSED.labels("intake")._value.get()


@pytest.fixture
def world(kafka_topics: KafkaSettings, tmp_path: pathlib.Path) -> World:
    return World(kafka_topics, tmp_path)


def test_attacks_on_a_running_intake(world: World, tmp_path: pathlib.Path) -> None:
    """Older, forged and misplaced manifests, and tombstones: the model in charge stays, and each is counted."""
    first, second = world.made("m-1"), world.made("m-2")
    world.write(first)
    intake = world.intake()
    assert version_of(intake) == "m-1"
    world.write(second)
    intake.catch_up()
    assert version_of(intake) == "m-2"
    stranger = SigningKey.load_or_create(tmp_path / "elsewhere" / "signing.pem")
    newest = manifest_of(second)
    attacks: dict[str, Sent] = {
        "replayed older": first,
        "unsigned tombstone": [(MODELS.name, MODEL, None)],
        "unknown key": world.made("m-3", learn=world.learner(stranger)),
        "no signature": [(MODELS.name, MODEL, msgspec.structs.replace(newest, sequence=2**60, signature=b""))],
        "changed": [(MODELS.name, MODEL, msgspec.structs.replace(newest, recipe=PRODUCTION, chunks=0, sequence=2**60))],
        "for another log": world.made("m-4", learn=world.learner(world.key, "another topic")),
        "for any log": world.made("m-5", learn=world.learner(world.key, "")),
        "another model's": [(MODELS.name, MODEL, manifest_of(world.made("n-1", model="n")))],
        "a candidate's": [(MODELS.name, MODEL, manifest_of(world.made("m-6", recipe=CANDIDATE)))],
        "rubbish": [(MODELS.name, MODEL, b"{}"), (MODELS.name, MODEL, b"\xff"), (MODELS.name, b"\xff", b"[]")],
        "tombstones of its chunks": [(MODEL_CHUNKS.name, key, None) for _, key, _ in chunks_of(second)],
    }
    for name, attack in attacks.items():
        before = refused()
        world.write(attack)
        intake.catch_up()
        assert version_of(intake) == "m-2", name
        assert "chunks" in name or refused() > before, name
    before = refused()
    world.write([(MODELS.name, MODEL, newest)])
    again = world.intake()
    assert version_of(again) == "m-2"


def test_a_tombstone_before_the_manifest_takes_no_chunk(world: World) -> None:
    """Chunks with a forged tombstone are still there when LEARN's manifest names them."""
    sent = world.made("m-1")
    world.write(chunks_of(sent))
    world.write([(MODEL_CHUNKS.name, key, None) for _, key, _ in chunks_of(sent)])
    world.write([(MODELS.name, MODEL, manifest_of(sent))])
    assert version_of(world.intake()) == "m-1"


def test_wrong_chunks_change_nothing(world: World) -> None:
    """Truncated chunks, and those of an older version under the new one's name, are refused; the model stays."""
    first, second, third = world.made("m-1"), world.made("m-2"), world.made("m-3")
    world.write(first)
    intake = world.intake()
    (_, _, old_bytes), *_ = chunks_of(first)
    for sent, forged in ((second, chunks_of(second)[0][2][:-1]), (third, old_bytes)):  # type: ignore[index]
        world.write([(MODEL_CHUNKS.name, chunks_of(sent)[0][1], forged)])
        world.write([(MODELS.name, MODEL, manifest_of(sent))])
        before = refused()
        intake.catch_up()
        assert version_of(intake) == "m-1"
        assert refused() > before


def test_an_older_manifest_after_a_restart(world: World) -> None:
    """Compaction has left only an old manifest that was written again: a restarted INTAKE does not take it."""
    first, second = world.made("m-1"), world.made("m-2")
    world.write(first)
    world.write(second)
    assert version_of(world.intake()) == "m-2"
    compacted = msgspec.structs.replace(world.kafka, prefix=f"{world.kafka.prefix}compacted.")
    create_topics(compacted)
    world.kafka, world.outbox = compacted, Outbox(compacted)
    world.write(first)
    after = world.intake()  # the same topic id: what is left of the log after compaction
    assert after.serving_of(MODEL) is None
    world.write(second)
    assert version_of(world.intake()) == "m-2"


def test_withdrawals_of_learn_are_taken(world: World) -> None:
    """A signed withdrawal puts production in charge, or ends a candidate; older versions do not come back."""
    first, candidate = world.made("m-1"), world.made("m-c", recipe=CANDIDATE)
    world.write(first)
    world.write(candidate)
    intake = world.intake()
    assert version_of(intake) == "m-1"
    assert intake.candidate_of(MODEL) is not None
    ended = CollectingOutbox()
    world.learn.end_candidate(MODEL, ended)  # type: ignore[arg-type]
    assert all(value is not None for name, _, value in ended.sent if name == MODELS.name)
    world.write([(name, key, value) for name, key, value in ended.sent])
    world.write(world.made("production", recipe=PRODUCTION))
    for catalogue in (intake, world.intake()):
        catalogue.catch_up()
        assert catalogue.serving_of(MODEL) is None
        assert catalogue.candidate_of(MODEL) is None
    world.write(first)
    world.write(candidate)
    intake.catch_up()
    assert intake.serving_of(MODEL) is None
    assert intake.candidate_of(MODEL) is None
    assert world.learn.candidate_corrections(MODEL) == 0


def test_sequences_go_up_with_a_clock_behind(world: World) -> None:
    """Versions are taken although the clock was set back, or the state was lost."""
    before = manifest_of(world.made("m-1"))
    world.now -= 3_600
    assert manifest_of(world.made("m-2")).sequence == before.sequence + 1
    world.now += 7_200
    assert manifest_of(world.made("m-3", learn=world.learner(world.key))).sequence > before.sequence + 1


def test_the_console_shows_what_learn_signed(world: World) -> None:
    """DESK takes manifests by the same rule: it shows LEARN's newest in charge."""
    known = SeenModels(world.folder / "state" / "desk.json", world.folder / "keys" / "public", "desk", world.topic_id)
    state = DeskState.new(Settings(), lambda: 0, known.take)
    first, second = manifest_of(world.made("m-1")), manifest_of(world.made("m-2"))
    forged = msgspec.structs.replace(second, version="m-evil", sequence=2**60)
    hear = state.record_listeners()["models"]

    def heard(values: Sequence[Manifest]) -> str:
        for value in values:
            hear(PlainRecord(encode(value), name="models", key_bytes=b"m"))
        hear(PlainRecord(None, name="models", key_bytes=b"m"))
        return state.manifests[MODEL].version

    def counted() -> float:
        return MANIFESTS_REFUSED.labels("desk")._value.get()

    before = counted()
    assert heard([first]) == "m-1"
    assert heard([second, first]) == "m-2"
    assert counted() == before, "what came before, while the log is read"
    assert heard([forged]) == "m-2"
    assert counted() == before + 1
    known.caught_up()
    assert heard([first]) == "m-2"
    assert counted() == before + 2, "an older one that was written again"
