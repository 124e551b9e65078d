"""blocks and corrections → references, alerts, tasks for the person on call, and Evidently reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from agents.drift.alert_answers import AlertAnswers, Said
from agents.drift.alert_memory import AlertMemory
from agents.shared.log_values import unusable
from agents.shared.metrics import ALERTS_FIRED
from agents.shared.model_places import RESULTS_MAX, ModelPlaces
from drift.alerts import alert_life
from drift.alerts.alert_book import UnknownAlertError
from drift.alerts.alert_life import TransitionRefusedError
from drift.monitor import AlertChanged, ModelMonitor, NewReference, Outcome, WindowClosed
from drift.settings import DriftSettings
from review.settings import QueueSettings
from review.task_life import alert_task, ended_alert_task, task_id_of
from schemas.codec import decode
from schemas.topics import ALERTS, BLOCKS, REFERENCES, REJECTS, REVIEW_ALERTS
from schemas.wire.alert import ACKNOWLEDGE, EXPECTED_CHANGE, Alert
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference
from streams.consume.batches import AssignedPartition
from streams.produce.outbox import Sending
from streams.produce.rejects import Rejecter, reject_of
from streams.records import Partition, Record

if TYPE_CHECKING:
    from agents.drift.drift_states import States
    from agents.drift.reports import ReportNews, Reports

__all__ = ["Monitors"]

log = structlog.get_logger(__name__)

SAID_KEPT_MAX = 10_000
"""What people said of models that another worker has, or that are still being read; beyond it the oldest goes."""
IDLE_ROUNDS = 25
"""Batches without a record after which all there is of a model's blocks has been read."""
GONE_KEPT_MAX = 10_000
"""Models without a place whose count of events is remembered: ``fired_at_event`` of later alerts goes on from it."""
LIMIT = "worker.models_max"
NOT_WATCHED = "not watched any more: other models took the places (worker.models_max)"
"""Why the alerts of a model are over that lost its place."""


class Monitors:
    """All models whose blocks this worker reads. ``handle`` is called by one thread; another tells ``people`` what is
    said of alerts.

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
        load: Callable[[], tuple[dict[str, Reference], Iterable[Alert]]],
        reports: Reports,
        states: States | None = None,
        places: ModelPlaces | None = None,
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
        self._states = states
        self._places = places or ModelPlaces()
        self._kept = self._places.of(RESULTS_MAX)
        self._gone = self._places.of(GONE_KEPT_MAX)
        self._events_of_gone: dict[str, int] = {}
        self._clock = clock
        self._references: dict[str, Reference] = {}
        self._alerts = AlertMemory()
        self._monitors: dict[str, ModelMonitor] = {}
        self._unreported: dict[str, Alert] = {}
        self.people = AlertAnswers()
        self._said: deque[Said] = deque(maxlen=SAID_KEPT_MAX)
        self._idle_rounds = 0
        self._has_all_partitions = False

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Start anew: what is known comes from the topics, blocks and corrections from their beginning."""
        self._references, known = self._load()
        self._alerts = AlertMemory()
        for alert in known:
            self._alerts.keep(alert)
        self._unreported = {alert.alert_id: alert for alert in self._alerts if lacks_report(alert)}
        self._partitions = self._partitions_of()
        self._has_all_partitions = sum(partition.topic == BLOCKS.name for partition in partitions) >= self._partitions
        self._idle_rounds = 0
        self._monitors, self._events_of_gone = {}, {}
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, possibly empty: blocks and corrections, then what people said, then reports that are done."""
        for record in records:
            try:
                outcomes = self._observe(record, outbox)
            except Exception as error:  # noqa: BLE001  # a block that is none must not end the role: it would come again
                by = Rejecter(self._prefix, "drift", int(self._clock() * 1000))
                reject = reject_of(record, unusable(error), by)
                outbox.send(REJECTS, record.key() or b"", reject)
                continue
            self._tell(outcomes, outbox)
        self._idle_rounds = 0 if records else self._idle_rounds + 1
        self._hear_people(outbox)
        for news in self._reports.poll():
            self._annotate(news, outbox)
        if self._states is not None:
            self._states.tell(self._monitors, int(self._clock() * 1000))

    def _monitor_of(self, model: str, outbox: Sending) -> ModelMonitor:
        """The state of one model, which from now on is the one used last; made for its first block or correction.

        Where another model makes room for it, what follows for that one is told before anything else can fail.
        """
        monitor = self._monitors.pop(model, None)
        if monitor is None:
            self._tell(self._make_room(model), outbox)
            monitor = ModelMonitor(
                model,
                self._settings_of(model),
                reference=self._references.get(model),
                events_before=self._events_of_gone.get(model, 0),
                partitions=self._partitions,
            )
            monitor.restore(self._alerts.of_model(model))
        self._monitors[model] = monitor
        return monitor

    def _make_room(self, model: str) -> Sequence[Outcome]:
        """Stop watching another model where there are too many: its open alerts are over, its reference is kept."""
        leaver = self._places.leaver(model, self._monitors, lambda name: self._monitors[name].reference is not None)
        if leaver is None:
            return []
        monitor = self._monitors.pop(leaver)
        self._gone.keep(self._events_of_gone, leaver, monitor.events_seen)
        if self._states is not None:
            self._states.forget(leaver)
        if monitor.reference is not None:
            log.warning("a model is not watched for drift any more: others came", model=leaver, limit=LIMIT)
        return monitor.leave(NOT_WATCHED)

    def observe(self, value: Block | Correction, outbox: Sending) -> None:
        """One block or correction, and what follows from it."""
        self._tell(self._outcomes(value, outbox), outbox)

    def flush(self, outbox: Sending) -> None:
        """A recorded stream has ended: judge what still waits for later blocks."""
        for monitor in list(self._monitors.values()):
            self._tell(monitor.flush(), outbox)

    def _observe(self, record: Record, outbox: Sending) -> list[Outcome]:
        data = record.value() or b""
        is_block = record.topic() == self._prefix + BLOCKS.name
        return self._outcomes(decode(Block, data) if is_block else decode(Correction, data), outbox)

    def _outcomes(self, value: Block | Correction, outbox: Sending) -> list[Outcome]:
        monitor = self._monitor_of(value.model, outbox)
        return monitor.observe(value) if isinstance(value, Block) else monitor.observe_correction(value)

    def _tell(self, outcomes: Sequence[Outcome], outbox: Sending) -> None:
        for outcome in outcomes:
            if isinstance(outcome, NewReference):
                reference = msgspec.structs.replace(outcome.reference, told_at=int(self._clock() * 1000))
                self._kept.keep(self._references, reference.model, reference)
                outbox.send(REFERENCES, reference.model, reference)
            elif isinstance(outcome, AlertChanged):
                self._tell_alert(outcome.alert, outbox)
            else:
                self._ask_missing_reports(outcome)

    def _tell_alert(self, alert: Alert, outbox: Sending) -> None:
        known, now_ms = self._alerts.get(alert.alert_id), int(self._clock() * 1000)
        raised_at = now_ms if known is None else known.raised_at
        task_id = task_id_of(alert.model, alert.alert_id)
        alert = msgspec.structs.replace(alert, raised_at=raised_at, told_at=now_ms, task_id=task_id)
        self._alerts.keep(alert)
        outbox.send(ALERTS, alert.alert_id, alert)
        self._tell_task(known, alert, outbox)
        if known is None:
            ALERTS_FIRED.inc(alert.model, alert.severity)
            log.info("alert fired", model=alert.model, signal=alert.signal, at_event=alert.fired_at_event)
            self._ask_report(alert)

    def _tell_task(self, known: Alert | None, alert: Alert, outbox: Sending) -> None:
        """The alert's task, where it has news; a settled task has its answer and keeps it."""
        if alert.answer or (known is not None and known.state == "resolved"):
            return
        if alert.state == "resolved":
            task = ended_alert_task(alert, settings=self._queue_settings)
        elif known is None or (known.severity, known.state) != (alert.severity, alert.state):
            task = alert_task(alert, settings=self._queue_settings)
        else:
            return
        outbox.send(REVIEW_ALERTS, task.task_id, task)

    def _ask_report(self, alert: Alert) -> None:
        monitor = self._monitors[alert.model]
        self._reports.ask(alert, monitor.moment, monitor.report_source(), now_ms=int(self._clock() * 1000))

    def _ask_missing_reports(self, closed: WindowClosed) -> None:
        """Reports that were asked for before a restart, once the blocks have been read again up to their alerts."""
        for alert_id, alert in list(self._unreported.items()):
            if alert.model == closed.window.model and closed.window.time >= alert.fired_at:
                del self._unreported[alert_id]
                self._ask_report(alert)

    def _hear_people(self, outbox: Sending) -> None:
        """Do what people said, once it can be done: every worker hears it, the one that has the model acts."""
        waiting, self._said = [*self._said, *self.people.take()], deque(maxlen=SAID_KEPT_MAX)
        for said in waiting:
            alert = self._alerts.of_task(said.task_id)
            if alert is None or (said.is_answer and alert.answer):
                continue
            if self._can_act(alert, said):
                self._act(alert, said, outbox)
            else:
                self._said.append(said)

    def _can_act(self, alert: Alert, said: Said) -> bool:
        """Whether the model is this worker's, and, where the newest windows shall be normal, they have been read."""
        if alert.model not in self._monitors and not self._has_all_partitions:
            return False
        if not (said.is_answer and said.text == EXPECTED_CHANGE) or self._idle_rounds >= IDLE_ROUNDS:
            return True
        return alert.model in self._monitors and self._monitors[alert.model].has_read(alert)

    def _act(self, alert: Alert, said: Said, outbox: Sending) -> None:
        """What people said of an alert; saying it again, or too late, changes nothing."""
        by, now_ms = said.person, int(self._clock() * 1000)
        monitor = self._monitor_of(alert.model, outbox)
        try:
            if said.is_answer:
                outcomes = monitor.answer(alert.alert_id, said.text, by=by, at=now_ms, comment=said.comment)
            elif said.text == ACKNOWLEDGE:
                outcomes = [monitor.acknowledge(alert.alert_id, by=by, at=now_ms, note=said.comment)]
            else:
                outcomes = [monitor.resolve(alert.alert_id, by=by, at=now_ms, note=said.comment)]
        except (TransitionRefusedError, UnknownAlertError) as error:
            log.info("nothing to change", alert=alert.alert_id, why=str(error))
            return
        self._tell(outcomes, outbox)

    def _annotate(self, news: ReportNews, outbox: Sending) -> None:
        """Name the report on its alert, which may be over by now."""
        alert = self._alerts.get(news.alert_id)
        if alert is None or alert.model not in self._monitors:
            return
        note = f"{alert.note}; {news.note}" if alert.note and news.note else news.note
        if alert.state == "resolved":
            named = alert_life.annotate(alert, report_id=news.report_id, report_problem=news.problem, note=note)
            self._tell([AlertChanged(named)], outbox)
            return
        monitor = self._monitors[alert.model]
        self._tell(
            [monitor.annotate(alert.alert_id, report_id=news.report_id, report_problem=news.problem, note=note)], outbox
        )


def lacks_report(alert: Alert) -> bool:
    """Whether an open alert has neither a report nor a reason why there is none.

    >>> said = "confirmed: there was no report: please make one"
    >>> alert = Alert(
    ...     alert_id="a", model="m", signal="confidence", detector="ADWIN", severity="warning", state="firing",
    ...     revision=1, fired_at=0, fired_at_event=9, changed_at=0, note=said,
    ... )
    >>> lacks_report(alert), lacks_report(msgspec.structs.replace(alert, report_problem="it broke"))
    (True, False)
    """
    return alert.state != "resolved" and not alert.report_id and not alert.report_problem
