"""DRIFT put together: blocks, corrections and people's answers in; references, alerts, tasks and reports out."""

from __future__ import annotations

import threading

from agents.drift.alert_memory import AlertMemory
from agents.drift.block_handler import BlockHandler
from agents.drift.drift_states import DriftStates
from agents.drift.monitors import Monitors
from agents.drift.reports import ReportDesk
from agents.settings import Settings
from agents.shared.log_values import handler_of, read
from agents.shared.model_places import RESULTS_MAX, ModelPlaces
from agents.shared.plan import Plan
from drift.report.reporter import Reporter
from schemas.topics import ALERTS, PREDICTIONS, REFERENCES, REVIEW_ALERTS, REVIEW_OPINIONS
from schemas.wire.alert import Alert
from schemas.wire.reference import Reference
from streams.admin.topics import partition_counts
from streams.consume.log_reader import LogReader

__all__ = ["add"]


def add(plan: Plan) -> None:
    """Add the loop that watches blocks and corrections, and the one that hears people, to the plan."""
    settings = plan.settings
    reporter = Reporter(settings.drift)
    reports = ReportDesk(
        reporter,
        plan.warehouse(),
        settings.drift.reports_queued_max,
        tries_max=settings.drift.report_tries_max,
        retry_seconds=settings.drift.report_retry_seconds,
    )
    handler = BlockHandler(
        Monitors(
            settings.drift_of,
            settings.queue,
            reports,
            states=DriftStates(plan.warehouse()),
            places=plan.model_places(),
        ),
        settings.kafka.prefix,
        load=lambda: _references_and_alerts(settings),
        partitions_of=lambda: partition_counts(settings.kafka, [PREDICTIONS])[PREDICTIONS.name],
        limits=plan.message_limits,
    )
    batches = plan.batches("drift", handler.handle, on_assign=handler.assigned)
    people = LogReader(
        settings.kafka,
        {REVIEW_OPINIONS.name: handler.people.hear_opinion, REVIEW_ALERTS.name: handler.people.hear_task},
    )

    def listen(stop: threading.Event) -> None:
        first = LogReader(settings.kafka, {REVIEW_OPINIONS.name: handler.people.recall_opinion})
        first.catch_up()
        first.close()
        people.catch_up()
        people.run(stop)

    def watch(stop: threading.Event) -> None:
        reporter.start()
        try:
            batches.run(stop)
        finally:
            reporter.stop()

    plan.add_loop("drift: people", listen)
    plan.add_loop("drift", watch)


def _references_and_alerts(settings: Settings) -> tuple[dict[str, Reference], AlertMemory]:
    """References by model, and alerts, as their topics have them."""
    references: dict[str, Reference] = {}
    kept, alerts = ModelPlaces(RESULTS_MAX, settings.models), AlertMemory()

    def hear_reference(data: bytes | None) -> None:
        reference = read(Reference, data)
        if reference is not None:
            kept.keep(references, reference.model, reference)

    def hear_alert(data: bytes | None) -> None:
        alert = read(Alert, data)
        if alert is not None:
            alerts.keep(alert)

    reader = LogReader(
        settings.kafka, {REFERENCES.name: handler_of(hear_reference), ALERTS.name: handler_of(hear_alert)}
    )
    reader.catch_up()
    reader.close()
    return references, alerts
