"""blocks and corrections → references, alerts, tasks for the person on call, and Evidently reports."""

from __future__ import annotations

import queue
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
import structlog

from agents.log_values import read
from agents.metrics import ALERTS_FIRED
from agents.reports import ReportDesk
from drift.alert_book import UnknownAlertError
from drift.alert_life import TransitionRefusedError
from drift.monitor import AlertChanged, ModelMonitor, NewReference, Outcome
from drift.settings import DriftSettings
from review.settings import QueueSettings
from review.task_life import alert_task, task_id_of
from schemas.alert import Alert
from schemas.block import Block
from schemas.codec import MalformedError, decode
from schemas.correction import Correction
from schemas.opinion import Opinion
from schemas.reference import Reference
from schemas.task import Task
from schemas.topics import ALERTS, BLOCKS, REFERENCES, REJECTS, REVIEW_ALERTS
from streams.batches import Place
from streams.outbox import Sending
from streams.records import Record
from streams.rejects import reject_of

__all__ = ["ALERT_ACTIONS", "Drift"]

log = structlog.get_logger(__name__)

ALERT_ACTIONS = {"confirmed": "acknowledge", "expected change": "adopt", "false alarm": "resolve"}
"""What becomes of an alert when its task is settled with this answer."""

ACTIONS_WAITING_MAX = 10_000
"""Answers that wait to take effect; at so many the log is read on only as they do."""
OPINIONS_KEPT_MAX = 1_000
"""Answers to alert tasks that are not settled yet; of one beyond it, who gave it is not noted on the alert."""


class Drift:
    """All models whose blocks this worker reads. ``handle`` is called by one thread, ``heard_…`` by any.

    ``load`` says what the topics of references and alerts hold, ``partitions_of`` how many partitions predictions
    come from. Blocks and corrections are read again from the start of their retention after every assignment; what was
    told before is not told again.
    """

    def __init__(
        self,
        settings_of: Callable[[str], DriftSettings],
        queue_settings: QueueSettings,
        prefix: str,
        *,
        load: Callable[[], tuple[dict[str, Reference], dict[str, Alert]]],
        reports: ReportDesk,
        partitions_of: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings_of = settings_of
        self._partitions_of = partitions_of
        self._partitions = 1
        self._queue_settings = queue_settings
        self._prefix = prefix
        self._load = load
        self._reports = reports
        self._clock = clock
        self._references: dict[str, Reference] = {}
        self._alerts: dict[str, Alert] = {}
        self._monitors: dict[str, ModelMonitor] = {}
        self._said: OrderedDict[str, Opinion] = OrderedDict()
        self._asked: queue.Queue[tuple[str, str, str, str]] = queue.Queue(ACTIONS_WAITING_MAX)

    def assigned(self, places: list[Place]) -> dict[tuple[str, int], int]:
        """Start anew: what is known comes from the topics, blocks and corrections from their beginning."""
        self._references, self._alerts = self._load()
        self._partitions = self._partitions_of()
        self._monitors = {}
        return {(place.topic, place.partition): 0 for place in places}

    def heard_opinion(self, record: Record) -> None:
        """An opinion of the log: acknowledging and resolving on the page of an alert take effect at once."""
        opinion = read(Opinion, record.value())
        if opinion is None:
            return
        if opinion.answer in ("acknowledge", "resolve"):
            self._asked.put((opinion.task_id, opinion.answer, opinion.person, opinion.comment))
        elif opinion.answer in ALERT_ACTIONS:
            self._said[opinion.task_id] = opinion
            if len(self._said) > OPINIONS_KEPT_MAX:
                self._said.popitem(last=False)

    def heard_task(self, record: Record) -> None:
        """A settled task about an alert."""
        task = read(Task, record.value())
        if task is not None and task.state == "settled" and task.answer in ALERT_ACTIONS:
            said = self._said.pop(task.task_id, None)
            note = f"{task.answer}: {said.comment}" if said and said.comment else task.answer
            self._asked.put((task.task_id, ALERT_ACTIONS[task.answer], said.person if said else "", note))

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, possibly empty."""
        for record in records:
            try:
                outcomes = self._observe(record)
            except MalformedError as error:
                now_ms = int(self._clock() * 1000)
                outbox.send(
                    REJECTS,
                    record.key() or b"",
                    reject_of(
                        record, self._prefix, role="drift", reason=error.reason, field=error.field, now_ms=now_ms
                    ),
                )
                continue
            self._tell(outcomes, outbox)
        while not self._asked.empty():
            self._act(*self._asked.get(), outbox)
        for alert_id, report_id, note in self._reports.poll():
            self._annotate(alert_id, report_id, note, outbox)

    def monitor(self, model: str) -> ModelMonitor:
        """The state of one model, made when its first block comes."""
        monitor = self._monitors.get(model)
        if monitor is None:
            monitor = ModelMonitor(
                model,
                self._settings_of(model),
                reference=self._references.get(model),
                partitions=self._partitions,
            )
            monitor.restore(alert for alert in self._alerts.values() if alert.model == model)
            self._monitors[model] = monitor
        return monitor

    def _observe(self, record: Record) -> list[Outcome]:
        data = record.value() or b""
        if record.topic() == self._prefix + BLOCKS.name:
            block = decode(Block, data)
            return self.monitor(block.model).observe(block)
        correction = decode(Correction, data)
        return self.monitor(correction.model).observe_correction(correction)

    def _tell(self, outcomes: Sequence[Outcome], outbox: Sending) -> None:
        for outcome in outcomes:
            if isinstance(outcome, NewReference):
                outbox.send(REFERENCES, outcome.reference.model, outcome.reference)
            elif isinstance(outcome, AlertChanged):
                self._tell_alert(outcome.alert, outbox)

    def _tell_alert(self, alert: Alert, outbox: Sending) -> None:
        known, now_ms = self._alerts.get(alert.alert_id), int(self._clock() * 1000)
        raised_at = now_ms if known is None else known.raised_at
        alert = msgspec.structs.replace(alert, raised_at=raised_at, told_at=now_ms)
        self._alerts[alert.alert_id] = alert
        outbox.send(ALERTS, alert.alert_id, alert)
        task = alert_task(alert, settings=self._queue_settings)
        if alert.state == "resolved":
            ended = msgspec.structs.replace(task, state="expired", changed_at=now_ms)
            outbox.send(REVIEW_ALERTS, task.task_id, ended)
        elif known is None:
            outbox.send(REVIEW_ALERTS, task.task_id, task)
            ALERTS_FIRED.labels(alert.model, alert.severity).inc()
            log.info("alert fired", model=alert.model, signal=alert.signal, at_event=alert.fired_at_event)
            self._ask_report(alert)
        elif known.severity != alert.severity:
            outbox.send(REVIEW_ALERTS, task.task_id, task)

    def _ask_report(self, alert: Alert) -> None:
        monitor = self._monitors[alert.model]
        report_id = f"report-{alert.alert_id.removeprefix('alert-')}"
        request = monitor.report_request(report_id)
        if request is not None:
            self._reports.ask(alert, request, now_ms=int(self._clock() * 1000))

    def _act(self, task_id: str, action: str, by: str, comment: str, outbox: Sending) -> None:
        """What a person said of an alert; saying it again, or too late, changes nothing."""
        alert = next(
            (a for a in self._alerts.values() if task_id_of(a.model, a.alert_id) == task_id and a.state != "resolved"),
            None,
        )
        if alert is None:
            return
        monitor, now_ms = self.monitor(alert.model), int(self._clock() * 1000)
        try:
            if action == "acknowledge":
                outcomes: list[Outcome] = [monitor.acknowledge(alert.alert_id, by=by, at=now_ms)]
            elif action == "resolve":
                outcomes = [monitor.resolve(alert.alert_id, by=by, at=now_ms, note=comment)]
            else:
                outcomes = monitor.adopt_reference(by=by, at=now_ms, reason=f"alert {alert.alert_id}: {comment}")
        except (TransitionRefusedError, UnknownAlertError) as error:
            log.info("nothing to change", alert=alert.alert_id, why=str(error))
            return
        self._tell(outcomes, outbox)

    def _annotate(self, alert_id: str, report_id: str, note: str, outbox: Sending) -> None:
        alert = self._alerts[alert_id]
        try:
            changed = self.monitor(alert.model).annotate(alert_id, report_id=report_id, note=note)
        except UnknownAlertError as error:
            log.info("report came after the alert's end", alert=alert_id, why=str(error))
            return
        self._tell([changed], outbox)
