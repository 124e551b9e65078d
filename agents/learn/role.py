"""LEARN put together: corrections and late labels in, gate steps and signed models out."""

from __future__ import annotations

import threading

from agents.learn.correction_handler import CorrectionHandler
from agents.learn.label_handler import LabelHandler, LabelLimits
from agents.learn.learners import Learners
from agents.learn.snapshot_publisher import SnapshotPublisher
from agents.shared.log_values import key_text, read
from agents.shared.plan import Plan
from agents.shared.seen_models import SeenModels
from learning.snapshots.signing import SigningKey
from schemas.topics import MODELS
from schemas.wire.manifest import Manifest
from streams.consume.batches import BatchSettings
from streams.consume.log_reader import LogReader
from streams.records import Record

__all__ = ["add"]

BATCH = BatchSettings(events_max=100, wait_seconds=0.2)
"""Corrections are learned one by one: a small batch is soon committed."""


def add(plan: Plan) -> None:
    """Publish the public key, then add the loops that learn corrections and join late labels to the plan."""
    settings = plan.settings
    key = SigningKey.load_or_create(plan.data / "keys" / "signing.pem")
    key.publish(plan.data / "keys" / "public")
    publisher = SnapshotPublisher(key, settings.learning_of)
    corrections = CorrectionHandler(
        Learners(
            settings.learning_of,
            publisher,
            publish_seconds_min=settings.worker.publish_seconds_min,
            places=plan.model_places(),
        ),
        publisher,
        settings.kafka.prefix,
        load=lambda: _manifests(plan),
        topic_id=lambda: plan.topic_ids([MODELS])[MODELS.name],
    )
    plan.add_loop("learn", plan.batches("learn", corrections.handle, on_assign=corrections.assigned, batch=BATCH).run)

    def join(stop: threading.Event) -> None:
        labels = LabelHandler(
            plan.warehouse(),
            settings.kafka.prefix,
            pause=lambda seconds: batches.wait_paused(stop, seconds),
            declared=lambda model: settings.model(model).labels,
            limits=LabelLimits(
                plan.message_limits, settings.worker.label_wait_seconds, settings.worker.future_seconds_max
            ),
        )
        batches = plan.batches("labels", labels.handle)
        batches.run(stop)

    plan.add_loop("labels", join)


def _manifests(plan: Plan) -> dict[str, Manifest]:
    """LEARN's newest manifests on the log, by key."""
    known = SeenModels.of(plan.settings, "learn", plan.topic_ids([MODELS])[MODELS.name])

    def hear(record: Record) -> None:
        manifest = read(Manifest, record.value())
        if manifest is not None:
            known.take(key_text(record.key()), manifest)

    reader = LogReader(plan.settings.kafka, {MODELS.name: hear})
    reader.catch_up()
    reader.close()
    return dict(known.newest.manifests)
