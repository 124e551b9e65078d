"""Replacements in memory for what the roles use: the outbox of Kafka, the catalogue of models, and reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from learning.serving import ServingModel
from learning.snapshots.snapshot import Lineage, Standing
from schemas.codec import decode_one_or_many
from schemas.topics import BLOCKS, Topic
from schemas.wire.alert import Alert
from schemas.wire.manifest import CANDIDATE, STACK, manifest_key
from streams.blocks.block_reader import blocks_in
from streams.produce.outbox import Value

if TYPE_CHECKING:
    from agents.drift.reports import Make, Moment, ReportNews

__all__ = ["InCharge", "MemoryOutbox", "NoReports"]

Hear = Callable[[Any], None]


class MemoryOutbox:
    """An outbox whose messages go to the readers of their topic, in the order in which they were sent.

    ``deliver`` calls a reader once for each value: arrays and Arrow streams are split, and JSON is decoded. A message
    on a topic without a reader is dropped. What a reader sends is delivered after everything that was sent before it.
    """

    def __init__(self, readers: Mapping[Topic, Hear]) -> None:
        self._readers = readers
        self._sent: deque[tuple[Topic, Value]] = deque()

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:  # noqa: ARG002  # there is one partition
        """Queue a message for its reader. The key is not used, as there is one partition."""
        if topic in self._readers:
            self._sent.append((topic, value))

    def flush(self) -> None:
        """Do nothing: messages wait for ``deliver``."""

    def deliver(self) -> None:
        """Deliver messages, oldest first, until none waits; those that readers send meanwhile are included."""
        while self._sent:
            topic, value = self._sent.popleft()
            hear = self._readers[topic]
            for message in _values(topic, value):
                hear(message)


def _values(topic: Topic, value: Value) -> list[Any]:
    if isinstance(value, bytes) and topic == BLOCKS:
        return list(blocks_in(value).blocks.values())
    if isinstance(value, bytes) and topic.value is not None:
        return list(decode_one_or_many(topic.value, value))
    return value if isinstance(value, list) else [value]


class InCharge:
    """The models that learners publish, for INTAKE to serve: the objects themselves and not snapshots of them.

    A ``ServingModel`` is frozen, so that it may be shared without a copy. ``on_change`` is called with the lineage of
    each model that is published.
    """

    def __init__(self, on_change: Callable[[Lineage], None]) -> None:
        self._on_change = on_change
        self._models: dict[str, ServingModel] = {}
        self._lineages: dict[str, Lineage] = {}

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: object) -> None:  # noqa: ARG002
        """Put a model in charge, or make it the candidate; with ``value`` None the production model is in charge."""
        key = manifest_key(lineage.model, lineage.recipe)
        self._models.pop(key, None)
        if value is not None:
            self._models[key] = value
        self._lineages[key] = lineage
        self._on_change(lineage)

    def end_candidate(self, model: str, outbox: object) -> None:  # noqa: ARG002
        """Remove the candidate, if there is one."""
        key = manifest_key(model, CANDIDATE)
        self._models.pop(key, None)
        self._lineages.pop(key, None)

    def end_serving(self, model: str, reason: str, outbox: object) -> None:  # noqa: ARG002
        """Put the production model in charge again."""
        self._models.pop(manifest_key(model, STACK), None)

    def standing_of(self, model: str) -> Standing | None:
        """The version that was put in charge last; None where none ever was."""
        key = manifest_key(model, STACK)
        last = self._lineages.get(key)
        return None if last is None else Standing(last.version, last.lineage, is_learned=key in self._models)

    def learned_in_charge(self) -> int:
        """The number of models of which a learned version is in charge."""
        return sum(not key.endswith(f"/{CANDIDATE}") for key in self._models)

    def candidate_corrections(self, model: str) -> int:
        """The number of corrections that the candidate has learned; 0 without a candidate."""
        candidate = self._lineages.get(manifest_key(model, CANDIDATE))
        return 0 if candidate is None else candidate.corrections

    def serving_of(self, model: str) -> ServingModel | None:
        """The learned model in charge; None where the production model is."""
        return self._models.get(model)

    def candidate_of(self, model: str) -> ServingModel | None:
        """The candidate: the learned model that is compared with the one in charge; None where there is none."""
        return self._models.get(manifest_key(model, CANDIDATE))


class NoReports:
    """Makes no reports: a backtest shows alerts without Evidently's reports."""

    def ask(self, alert: Alert, moment: Moment, make: Make, *, now_ms: int) -> None:
        """Ignore the request."""

    def poll(self) -> list[ReportNews]:
        """No news: no report is ever made."""
        return []
