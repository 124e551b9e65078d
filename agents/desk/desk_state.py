"""What DESK knows from the log: tasks and opinions, alerts, people, references and models."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

import structlog
from cachetools import FIFOCache

from agents.settings import Settings
from agents.shared.log_values import handler_of, hear_person, key_text, read
from console.sessions.signed_out import SignedOut
from review.queue.queue import Queue
from review.queue.replies import Expired, QueueEvent, Settled
from review.task_life import is_addressable
from schemas.texts.visible import printable
from schemas.wire.alert import Alert
from schemas.wire.manifest import CANDIDATE, Manifest
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.reference import Reference
from schemas.wire.sign_out import SignOut
from schemas.wire.task import Task
from streams.consume.record_guard import current_position
from streams.records import Record

__all__ = ["DeskState"]

log = structlog.get_logger(__name__)

OPINIONS_SHOWN_MAX = 20
ALERTS_KEPT_MAX = 2_000
"""Alerts known to the console. Beyond it the resolved one that changed longest ago is left to ClickHouse; if all are
open, the open one that changed longest ago."""
HISTORY_KEPT_MAX = 100
"""Revisions of one alert that the console shows; the first and the newest are kept."""
MODELS_KEPT_MAX = 10_000
"""Models whose reference and learned model are known; beyond it the oldest are forgotten. Until new ones come, features
are then shown without their range, and production is shown in charge."""
EXPIRED_KEPT_MAX = 100_000
"""Tasks that expired to make room and are still to be sent; beyond it the oldest expire once more after a restart."""
SETTLED_KEPT_MAX = 50_000
"""Settled tasks that wait for their tombstone; beyond it the oldest stay in the topic until a restart."""


@dataclasses.dataclass(slots=True)
class DeskState:
    """The desk's memory. Methods called ``hear_…`` take one record of a topic, in the thread of the event loop.

    ``is_newest`` decides whether a manifest under a key is LEARN's newest; ``now_ms`` gives epoch milliseconds.
    """

    settings: Settings
    queue: Queue
    now_ms: Callable[[], int]
    signed_out: SignedOut
    is_newest: Callable[[str, Manifest], bool]
    alerts: OrderedDict[str, list[Alert]] = dataclasses.field(default_factory=OrderedDict)
    people: dict[str, Person] = dataclasses.field(default_factory=dict)
    references: FIFOCache[str, Reference] = dataclasses.field(default_factory=lambda: FIFOCache(MODELS_KEPT_MAX))
    manifests: FIFOCache[str, Manifest] = dataclasses.field(default_factory=lambda: FIFOCache(MODELS_KEPT_MAX))
    opinions: deque[Opinion] = dataclasses.field(default_factory=lambda: deque(maxlen=OPINIONS_SHOWN_MAX))
    settled: deque[Task] = dataclasses.field(default_factory=lambda: deque(maxlen=SETTLED_KEPT_MAX))
    expired: deque[Expired] = dataclasses.field(default_factory=lambda: deque(maxlen=EXPIRED_KEPT_MAX))

    @classmethod
    def new(
        cls,
        settings: Settings,
        now_ms: Callable[[], int],
        is_newest: Callable[[str, Manifest], bool],
    ) -> DeskState:
        """An empty desk; ``is_newest`` says whether a manifest under a key is LEARN's newest."""
        return cls(
            settings,
            Queue(settings.queue, settings.agreement),
            now_ms,
            SignedOut(settings.console.session_seconds_max),
            is_newest,
        )

    def hear_task(self, data: bytes | None, *, replayed: bool = False) -> None:
        """Take a task, or a new revision of it. Tasks that expire to make room for it are kept to be sent.

        While the log is read again after a start (``replayed``) no task has to make room.
        """
        task = read(Task, data)
        if task is None:
            return
        if not is_addressable(task.task_id):
            log.error(
                "task left out",
                task=printable(task.task_id),
                why="its id cannot stand in an address",
                **current_position(),
            )
            return
        put = self.queue.put(task, self.now_ms(), replayed=replayed)
        self.expired.extend(put.expired)
        if put.status == "full":
            log.error("queue full, task left in the log", task=task.task_id, limit="queue.protected_tasks_max")
        if task.state != "open":
            self.settled.append(task)

    def hear_opinion(self, data: bytes | None) -> None:
        """Take an opinion, which may be one that this desk has sent."""
        opinion = read(Opinion, data)
        if opinion is None:
            return
        self.queue.replay(opinion)
        if self.queue.is_over(opinion.task_id):
            self._show(opinion)

    def tick(self) -> list[QueueEvent]:
        """The tasks that have settled or expired since the last call, and the leases that have ended."""
        events = [*self.expired, *self.queue.tick(self.now_ms())]
        self.expired.clear()
        for event in events:
            for opinion in event.opinions if isinstance(event, Settled) else ():
                self._show(opinion)
        return events

    def _show(self, opinion: Opinion) -> None:
        """Show an opinion. Its task is over: before that it would sway the person who is asked next."""
        if not any(known.opinion_id == opinion.opinion_id for known in self.opinions):
            self.opinions.appendleft(opinion)

    def hear_alert(self, data: bytes | None) -> None:
        """Take a transition of an alert."""
        alert = read(Alert, data)
        if alert is None:
            return
        history = self.alerts.setdefault(alert.alert_id, [])
        if not history or history[-1].revision < alert.revision:
            history.append(alert)
        if len(history) > HISTORY_KEPT_MAX:
            del history[1]
        self.alerts.move_to_end(alert.alert_id)
        if len(self.alerts) > ALERTS_KEPT_MAX:
            # Resolved alerts go first, which no cache of cachetools does.
            resolved = (alert_id for alert_id, past in self.alerts.items() if past[-1].state == "resolved")
            del self.alerts[next(resolved, next(iter(self.alerts)))]

    def hear_person(self, data: bytes | None, key: bytes | None = None) -> None:
        """Take an account, or the tombstone of one."""
        hear_person(self.people, data, key)

    def hear_sign_out(self, data: bytes | None) -> None:
        """Take the end of a session, or of all sessions of a person."""
        sign_out = read(SignOut, data)
        if sign_out is not None:
            self.signed_out.hear(sign_out, self.now_ms())

    def hear_reference(self, data: bytes | None) -> None:
        """Take a Reference, as JSON, in place of its model's last one; what cannot be read changes nothing."""
        reference = read(Reference, data)
        if reference is not None:
            self.references[reference.model] = reference

    def hear_manifest(self, data: bytes | None, key: bytes | None = None) -> None:
        """Take the manifest of a model in charge, if it is LEARN's newest; candidates are left out."""
        manifest = read(Manifest, data)
        if manifest is None or manifest.recipe == CANDIDATE:
            return
        name = manifest.model if key is None else key_text(key)
        if self.is_newest(name, manifest):
            self.manifests[manifest.model] = manifest

    def listeners(self) -> Mapping[str, Callable[[bytes | None], None]]:
        """The method that takes the bytes of each topic's records; agents hand over tasks and opinions instead."""
        return {
            "alerts": self.hear_alert,
            "people": self.hear_person,
            "sign.outs": self.hear_sign_out,
            "references": self.hear_reference,
            "models": self.hear_manifest,
        }

    def record_listeners(self) -> Mapping[str, Callable[[Record], None]]:
        """The same for whole records: a tombstone names its account by the key alone."""
        of_records = {name: handler_of(hear) for name, hear in self.listeners().items()}
        return {
            **of_records,
            "people": lambda record: self.hear_person(record.value(), record.key()),
            "models": lambda record: self.hear_manifest(record.value(), record.key()),
        }

    def firing(self, model: str) -> int:
        """How many alerts of a model are firing."""
        return sum(1 for h in self.alerts.values() if h[-1].model == model and h[-1].state == "firing")
