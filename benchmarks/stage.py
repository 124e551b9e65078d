"""Stage: the broker, a folder and the sizes that all parts share, and the processes they measure."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka.admin import AdminClient

from benchmarks.loads import Load, fill, publish_references
from benchmarks.processes.child import Child
from benchmarks.processes.meter import cpu_seconds
from learning.serving import ServingModel
from learning.snapshots.signing import SigningKey
from learning.snapshots.snapshot import Lineage, pack
from schemas.topics import ALL_TOPICS, MODEL_CHUNKS, MODELS
from schemas.wire.manifest import STACK, manifest_key
from streams.admin.topics import create_topics, topic_ids
from streams.client_config import common_client_config
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings

__all__ = ["Sizes", "Stage"]

START_SECONDS_MAX = 90.0
SECONDS_MAX = 300.0
SNAPSHOT_BYTES_MAX = 1 << 30


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: events, runs, events a second, and seconds."""

    events: int = 300_000
    """Single events of a load; where many events share a message, two and four times as many."""
    runs: int = 3
    warm_up_events: int = 300_000
    """Of a round that is not counted, while the broker compiles its own code: that takes more than serving does."""
    faust_events: int = 40_000
    growth_events: int = 150_000
    growth_runs: int = 3
    rate: int = 20_000
    latency_warm_up_seconds: float = 4.0
    latency_seconds: float = 12.0
    latency_runs: int = 3
    memory_events: tuple[int, ...] = (500_000, 1_000_000, 2_000_000, 5_000_000)

    def load(self, encoding: str = "single") -> Load:
        """The usual load of an encoding."""
        return Load(self.events * {"single": 1, "arrays": 2, "arrow": 4}[encoding], encoding)  # type: ignore[arg-type]


@dataclasses.dataclass(slots=True)
class Stage:
    """Gives every run topics of its own, so that each finds the same: nothing judged, nothing remembered."""

    bootstrap: str
    folder: Path
    sizes: Sizes
    quix_python: Path | None = None
    broker_pids: Sequence[int] = ()
    sign_in: Callable[[KafkaSettings], KafkaSettings] = lambda kafka: kafka
    """The same settings for a worker that signs in, where the broker knows it."""
    _numbers: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    @contextlib.contextmanager
    def topics(self, load: Load, serving: ServingModel | None = None) -> Iterator[KafkaSettings]:
        """Empty topics, but for references and, if there is one, the learned model in charge; deleted afterwards."""
        kafka = KafkaSettings(bootstrap=self.bootstrap, prefix=f"run{next(self._numbers)}.", partitions=load.partitions)
        create_topics(kafka)
        publish_references(kafka, load)
        if serving is not None:
            self._publish_model(kafka, serving)
        try:
            yield kafka
        finally:
            admin = AdminClient(common_client_config(kafka))
            for future in admin.delete_topics([kafka.prefix + topic.name for topic in ALL_TOPICS]).values():
                future.result()

    @contextlib.contextmanager
    def filled(self, load: Load, serving: ServingModel | None = None) -> Iterator[KafkaSettings]:
        """The same with the load in them."""
        with self.topics(load, serving) as kafka:
            fill(kafka, load)
            yield kafka

    def start(self, module: str, kafka: KafkaSettings, *, python: str = sys.executable, **spec: object) -> Child:
        """A process to be measured."""
        return Child(module, {"kafka": kafka_spec(kafka), "data": str(self.data), **spec}, self.folder, python=python)

    def plain(self, kafka: KafkaSettings, load: Load, *, decode: str = "") -> dict[str, Any]:
        """What the floor does with a load."""
        with self.start(
            "plain", kafka, decode=decode or load.encoding, seconds_max=SECONDS_MAX, **self.extent(load)
        ) as child:
            return self._result(child, load)

    def intake(self, kafka: KafkaSettings, load: Load, *, slot: str = "0", **spec: object) -> Child:
        """A worker with the role intake."""
        return self.start("intake", kafka, **{"slot": slot, "steps": [], **self.extent(load), **spec})

    def judged(self, kafka: KafkaSettings, load: Load) -> dict[str, Any]:
        """What INTAKE does with a load."""
        with self.intake(kafka, load) as child:
            return self._result(child, load)

    def judged_signed_in(self, kafka: KafkaSettings, load: Load) -> dict[str, Any]:
        """The same of an INTAKE that signs in, and whose every request is held against its rights."""
        return self.judged(self.sign_in(kafka), load)

    @staticmethod
    def extent(load: Load, part: int = 1) -> dict[str, Any]:
        """How much a process shall count: all that comes after a sixth; ``part`` processes share the load."""
        events = load.events // part
        return {"expected": events, "warm_up": events // 6, "events_per_message": load.events_per_message}

    def _result(self, child: Child, load: Load) -> dict[str, Any]:
        """What a process measured, and what each event cost the broker meanwhile (``broker_us``)."""
        child.wait_for("assigned", START_SECONDS_MAX)
        before = self.broker_seconds()
        result = child.wait_for("result", SECONDS_MAX)
        return {**result, "broker_us": (self.broker_seconds() - before) / load.events * 1e6}

    def broker_seconds(self) -> float:
        """CPU that the broker has used so far; NaN where the system does not tell."""
        try:
            return sum(map(cpu_seconds, self.broker_pids)) if self.broker_pids else math.nan
        except OSError:
            return math.nan

    @property
    def data(self) -> Path:
        """The workers' folder, with the public key of whoever publishes models."""
        return self.folder / "data"

    def _publish_model(self, kafka: KafkaSettings, serving: ServingModel) -> None:
        key = SigningKey.load_or_create(self.data / "keys" / "signing.pem")
        key.publish(self.data / "keys" / "public")
        topic_id = topic_ids(kafka, [MODELS])[MODELS.name]
        lineage = Lineage(model=serving.model, version=serving.version, recipe=STACK, created_at=0, topic_id=topic_id)
        snapshot = pack(serving, lineage, key, SNAPSHOT_BYTES_MAX)
        outbox = Outbox(kafka)
        for chunk_key, chunk in snapshot.chunks.items():
            outbox.send(MODEL_CHUNKS, chunk_key, chunk)
        outbox.send(MODELS, manifest_key(serving.model, STACK), snapshot.manifest)
        outbox.flush()


def kafka_spec(kafka: KafkaSettings) -> dict[str, Any]:
    """The settings as a process is told them."""
    spec = msgspec.to_builtins(kafka)
    assert isinstance(spec, dict)
    return spec
