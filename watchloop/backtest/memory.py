"""What Kafka is to the roles, in memory: messages by topic, and what is in charge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from learning.serving import ServingModel
from learning.snapshots.snapshot import Lineage
from learning.snapshots.standing import Standing
from schemas.codec import decode_one_or_many
from schemas.topics import Topic
from schemas.wire.alert import Alert
from schemas.wire.manifest import CANDIDATE, STACK, manifest_key
from streams.produce.outbox import Value

if TYPE_CHECKING:
    from agents.drift.reports import Make, Moment, ReportNews

__all__ = ["InCharge", "MemoryOutbox", "NoReports"]

Hear = Callable[[Any], None]


class MemoryOutbox:
    """Hands what one role sends to those who read that topic, in the order in which it was sent.

    ``readers`` are called by ``deliver``, once a value: arrays are taken apart, and JSON is read as its reader would
    read it. A topic that nobody reads is dropped. What a reader sends in turn comes after all that was sent before.
    """

    def __init__(self, readers: Mapping[Topic, Hear]) -> None:
        self._readers = readers
        self._sent: deque[tuple[Topic, Value]] = deque()

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:  # noqa: ARG002  # nobody asks for keys here
        """Queue a message for its reader; the key is not needed, for there is one partition."""
        if topic in self._readers:
            self._sent.append((topic, value))

    def flush(self) -> None:
        """Nothing is under way: what was sent waits for ``deliver``."""

    def deliver(self) -> None:
        """Hand on what was sent, oldest first, until nothing waits: what readers send meanwhile too."""
        while self._sent:
            topic, value = self._sent.popleft()
            hear = self._readers[topic]
            for each in _values(topic, value):
                hear(each)


def _values(topic: Topic, value: Value) -> list[Any]:
    if isinstance(value, bytes) and topic.value is not None:
        return list(decode_one_or_many(topic.value, value))
    return value if isinstance(value, list) else [value]


class InCharge:
    """The models that learners publish, as INTAKE's catalogue knows them: the objects themselves, not snapshots.

    A ``ServingModel`` is frozen, so that nothing is lost by not pickling it. ``on_change`` hears what is published.
    """

    def __init__(self, on_change: Callable[[Lineage], None]) -> None:
        self._on_change = on_change
        self._models: dict[str, ServingModel] = {}
        self._lineages: dict[str, Lineage] = {}

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: object) -> None:  # noqa: ARG002
        """Something else is in charge, or is the candidate; None where production is in charge."""
        key = manifest_key(lineage.model, lineage.recipe)
        self._models.pop(key, None)
        if value is not None:
            self._models[key] = value
        self._lineages[key] = lineage
        self._on_change(lineage)

    def end_candidate(self, model: str, outbox: object) -> None:  # noqa: ARG002
        """There is no candidate any more."""
        key = manifest_key(model, CANDIDATE)
        self._models.pop(key, None)
        self._lineages.pop(key, None)

    def end_serving(self, model: str, reason: str, outbox: object) -> None:  # noqa: ARG002
        """Production is in charge again."""
        self._models.pop(manifest_key(model, STACK), None)

    def standing_of(self, model: str) -> Standing | None:
        """What was put in charge last; None where nothing ever was."""
        key = manifest_key(model, STACK)
        last = self._lineages.get(key)
        return None if last is None else Standing(last.version, last.lineage, is_learned=key in self._models)

    def learned_in_charge(self) -> int:
        """Of how many models a learned version is in charge."""
        return sum(not key.endswith(f"/{CANDIDATE}") for key in self._models)

    def candidate_corrections(self, model: str) -> int:
        """How many corrections the candidate has learned; 0 where there is none."""
        candidate = self._lineages.get(manifest_key(model, CANDIDATE))
        return 0 if candidate is None else candidate.corrections

    def serving_of(self, model: str) -> ServingModel | None:
        """The learned model in charge; None where production is."""
        return self._models.get(model)

    def candidate_of(self, model: str) -> ServingModel | None:
        """The learned model that wants to be in charge."""
        return self._models.get(manifest_key(model, CANDIDATE))


class NoReports:
    """A backtest shows alerts without Evidently's reports."""

    def ask(self, alert: Alert, moment: Moment, make: Make, *, now_ms: int) -> None:
        """Make no report of the alert, and remember nothing of it."""

    def poll(self) -> list[ReportNews]:
        """No news, at any time: no report was asked for."""
        return []
