"""The monitors of all models that a worker watches, and what follows from their outcomes.

References, alerts and tasks go to their topics; reports are asked for; the state of each model is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from agents.drift.alert_memory import AlertMemory
from agents.shared.metrics import ALERTS_FIRED
from agents.shared.model_places import RESULTS_MAX, ModelPlaces
from drift.alerts import alert_life
from drift.alerts.alert_book import UnknownAlertError
from drift.alerts.alert_life import TransitionRefusedError
from drift.monitor import AlertChanged, ModelMonitor, MonitorResult, NewReference, WindowClosed
from drift.settings import DriftSettings
from review.settings import QueueSettings
from review.task_life import alert_task, ended_alert_task, task_id_of
from schemas.columns.block_rows import AnyBlock
from schemas.topics import ALERTS, REFERENCES, REVIEW_ALERTS
from schemas.wire.alert import ACKNOWLEDGE, Alert
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference
from streams.produce.outbox import Sending

if TYPE_CHECKING:
    from agents.drift.alert_answers import Said
    from agents.drift.drift_states import States
    from agents.drift.reports import ReportNews, Reports

__all__ = ["Monitors"]

log = structlog.get_logger(__name__)

GONE_KEPT_MAX = 10_000
"""Models without a place whose count of events is kept: ``fired_at_event`` of their later alerts goes on from it."""
LIMIT = "worker.models_max"
NOT_WATCHED = "not watched any more: other models took the places (worker.models_max)"
"""Why the alerts of a model are resolved that lost its place."""


class Monitors:
    """One ``ModelMonitor`` a model, made when the model's first block or correction comes.

    A new model may take another's place (``places``): the alerts of the other are then resolved, and its reference is
    kept. Without ``states`` nobody is shown how the monitors stand. ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        settings_of: Callable[[str], DriftSettings],
        queue_settings: QueueSettings,
        reports: Reports,
        *,
        states: States | None = None,
        places: ModelPlaces | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings_of = settings_of
        self._queue_settings = queue_settings
        self._reports = reports
        self._states = states
        self._places = places or ModelPlaces()
        self._kept = self._places.of(RESULTS_MAX)
        self._gone = self._places.of(GONE_KEPT_MAX)
        self._clock = clock
        self.start({}, (), partitions=1)

    def start(self, references: dict[str, Reference], alerts: Iterable[Alert], *, partitions: int) -> None:
        """Forget all, and go on from these references by model and these alerts.

        The blocks that come next are those of ``partitions`` partitions of predictions, from their beginning.
        """
        self._references = references
        self._partitions = partitions
        self.alerts = AlertMemory()
        for alert in alerts:
            self.alerts.keep(alert)
        self._unreported = {alert.alert_id: alert for alert in self.alerts if lacks_report(alert)}
        self._monitors: dict[str, ModelMonitor] = {}
        self._events_of_gone: dict[str, int] = {}

    @property
    def by_model(self) -> Mapping[str, ModelMonitor]:
        """The monitors, the one used longest ago first."""
        return self._monitors

    def observe(self, value: AnyBlock | Correction, outbox: Sending) -> None:
        """Take one block or correction, and send what follows from it."""
        self.send(self.outcomes_of(value, outbox), outbox)

    def outcomes_of(self, value: AnyBlock | Correction, outbox: Sending) -> Sequence[MonitorResult]:
        """Take one block or correction; returns what follows from it, to be sent (``send``).

        Raises whatever a value that contradicts itself makes a monitor raise.
        """
        monitor = self._monitor_of(value.model, outbox)
        return monitor.observe_correction(value) if isinstance(value, Correction) else monitor.observe(value)

    def flush(self, outbox: Sending) -> None:
        """Judge the blocks that still wait for later ones: a recorded stream has ended."""
        for monitor in list(self._monitors.values()):
            self.send(monitor.flush(), outbox)

    def send(self, outcomes: Sequence[MonitorResult], outbox: Sending) -> None:
        """Send new references, changed alerts and their tasks; ask for the reports that a closed window makes due."""
        for outcome in outcomes:
            if isinstance(outcome, NewReference):
                reference = msgspec.structs.replace(outcome.reference, told_at=self._now_ms())
                self._kept.keep(self._references, reference.model, reference)
                outbox.send(REFERENCES, reference.model, reference)
            elif isinstance(outcome, AlertChanged):
                self._send_alert(outcome.alert, outbox)
            else:
                self._ask_missing_reports(outcome)

    def act(self, alert: Alert, said: Said, outbox: Sending) -> None:
        """Do what a person said of an alert. Saying it again, or too late, changes nothing."""
        by, now_ms = said.person, self._now_ms()
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
        self.send(outcomes, outbox)

    def take_reports(self, outbox: Sending) -> None:
        """Name the reports that are done, or the problems with them, on their alerts."""
        for news in self._reports.poll():
            self._annotate(news, outbox)

    def show(self) -> None:
        """Show how the monitors stand, on /metrics and in ClickHouse."""
        if self._states is not None:
            self._states.show(self._monitors, self._now_ms())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _monitor_of(self, model: str, outbox: Sending) -> ModelMonitor:
        """The monitor of a model, which is from now on the one used last.

        Where another model makes room for it, the outcomes of that one are sent before anything else can fail.
        """
        monitor = self._monitors.pop(model, None)
        if monitor is None:
            self.send(self._make_room(model), outbox)
            monitor = ModelMonitor(
                model,
                self._settings_of(model),
                reference=self._references.get(model),
                events_before=self._events_of_gone.get(model, 0),
                partitions=self._partitions,
            )
            monitor.restore(self.alerts.of_model(model))
        self._monitors[model] = monitor
        return monitor

    def _make_room(self, model: str) -> Sequence[MonitorResult]:
        """Stop watching another model where there are too many; returns the end of its open alerts."""
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

    def _send_alert(self, alert: Alert, outbox: Sending) -> None:
        known, now_ms = self.alerts.get(alert.alert_id), self._now_ms()
        raised_at = now_ms if known is None else known.raised_at
        task_id = task_id_of(alert.model, alert.alert_id)
        alert = msgspec.structs.replace(alert, raised_at=raised_at, told_at=now_ms, task_id=task_id)
        self.alerts.keep(alert)
        outbox.send(ALERTS, alert.alert_id, alert)
        self._send_task(known, alert, outbox)
        if known is None:
            ALERTS_FIRED.inc(alert.model, alert.severity)
            log.info("alert fired", model=alert.model, signal=alert.signal, at_event=alert.fired_at_event)
            self._ask_report(alert)

    def _send_task(self, known: Alert | None, alert: Alert, outbox: Sending) -> None:
        """Send the alert's task if the alert's severity or state is new; a task that has its answer keeps it."""
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
        self._reports.ask(alert, monitor.moment, monitor.report_source(), now_ms=self._now_ms())

    def _ask_missing_reports(self, closed: WindowClosed) -> None:
        """Ask again for reports that a restart lost, once the blocks have been read again up to their alerts."""
        for alert_id, alert in list(self._unreported.items()):
            if alert.model == closed.window.model and closed.window.time >= alert.fired_at:
                del self._unreported[alert_id]
                self._ask_report(alert)

    def _annotate(self, news: ReportNews, outbox: Sending) -> None:
        """Name a report on its alert, which may be resolved by now."""
        alert = self.alerts.get(news.alert_id)
        if alert is None or alert.model not in self._monitors:
            return
        note = f"{alert.note}; {news.note}" if alert.note and news.note else news.note
        if alert.state == "resolved":
            named = alert_life.annotate(alert, report_id=news.report_id, report_problem=news.problem, note=note)
            self.send([AlertChanged(named)], outbox)
            return
        monitor = self._monitors[alert.model]
        self.send(
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
