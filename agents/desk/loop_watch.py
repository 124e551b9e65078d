"""How the loop stands: figures of ClickHouse and the lag of consumer groups, refreshed by two threads."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import cast

import structlog

from agents.settings import WorkerSettings
from agents.shared.groups import GROUPS, LagState, lag_state, lag_text
from agents.shared.metrics import LAG_MESSAGES, LAG_SECONDS
from agents.shared.remembered_span import shortest_span, span_warning
from console.desk.protocol import Interval, RoleState
from review.accuracy import AccuracyEstimate, AccuracySums
from review.settings import AccuracySettings
from schemas.wire.verdict import Decision
from streams.admin.commit_notes import commit_notes
from streams.admin.lag import Lag, lags_of_groups
from streams.errors import StreamsError
from streams.settings import KafkaSettings
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.first_verdicts import FirstVerdicts
from warehouse.query.lookups import report_html
from warehouse.query.loop_figures import (
    DriftState,
    ModelCounts,
    RejectCounts,
    drift_states,
    model_counts,
    reject_counts,
)

__all__ = ["LoopFigures", "LoopWatch", "ModelFigures"]

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0
REFRESH_SHARE_MAX = 0.2
"""Share of the time that these questions may take: on a large archive they are asked less often."""
UNKNOWN = float("nan")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFigures:
    """Counts and estimates of one model from ClickHouse; shares and accuracy are None where nothing is known."""

    events: int
    decisions: dict[Decision, int]
    corrections: int
    chosen_share: float | None
    answered_share: float | None
    accuracy: Interval | None


@dataclasses.dataclass(frozen=True, slots=True)
class LoopFigures:
    """Figures that are a few seconds old at most, unless one of the ``warnings`` says otherwise."""

    models: dict[str, ModelFigures] = dataclasses.field(default_factory=dict)
    roles: tuple[RoleState, ...] = ()
    rejects: RejectCounts = dataclasses.field(default_factory=RejectCounts)
    drift: dict[str, DriftState] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class LoopWatch:
    """Asks ClickHouse and Kafka every ``REFRESH_SECONDS``, each in a loop of its own; the console reads ``figures``."""

    def __init__(
        self,
        kafka: KafkaSettings,
        warehouse: Callable[[], Warehouse],
        accuracy: AccuracySettings,
        worker: WorkerSettings | None = None,
    ) -> None:
        self._counted = LoopFigures()
        self._roles: tuple[RoleState, ...] = ()
        self._late: tuple[str, ...] = ()
        self._kafka = kafka
        self._make_warehouse = warehouse
        self._accuracy = accuracy
        self._worker = worker or WorkerSettings()
        self._reports: Warehouse | None = None
        self._reports_lock = threading.Lock()

    @property
    def figures(self) -> LoopFigures:
        """The newest figures of both loops; empty before their first round."""
        counted = self._counted
        return dataclasses.replace(counted, roles=self._roles, warnings=(*counted.warnings, *self._late))

    def run(self, stop: threading.Event) -> None:
        """Ask ClickHouse until ``stop`` is set."""
        warehouse: Warehouse | None = None
        verdicts = FirstVerdicts()
        while not stop.is_set():
            begin = time.monotonic()
            try:
                warehouse = warehouse or self._make_warehouse()
                models = {counts.model: self._figures(counts) for counts in model_counts(warehouse.query, verdicts)}
                rejects, drift = reject_counts(warehouse.query), drift_states(warehouse.query)
                self._counted = LoopFigures(models, rejects=rejects, drift=drift)
            except WarehouseError as error:
                warehouse = None
                self._counted = dataclasses.replace(self._counted, warnings=(f"Counts are old: {error}",))
            stop.wait(max(REFRESH_SECONDS, (time.monotonic() - begin) / REFRESH_SHARE_MAX))

    def run_lag(self, stop: threading.Event) -> None:
        """Ask Kafka until ``stop`` is set, apart from ClickHouse: while that fails, the lag of RECORD matters most."""
        while not stop.is_set():
            begin = time.monotonic()
            self._measure_lag()
            stop.wait(max(REFRESH_SECONDS, (time.monotonic() - begin) / REFRESH_SHARE_MAX))

    async def report_html(self, report_id: str) -> str | None:
        """A stored report as a page; None where there is none of this id, or ClickHouse does not answer."""
        return await asyncio.to_thread(self._report_html, report_id)

    def _report_html(self, report_id: str) -> str | None:
        with self._reports_lock:
            try:
                self._reports = self._reports or self._make_warehouse()
                return report_html(self._reports.query, report_id)
            except WarehouseError as error:
                self._reports = None
                log.warning("report not read", report=report_id, why=str(error))
                return None

    def _figures(self, counts: ModelCounts) -> ModelFigures:
        chosen = counts.events - counts.decisions["accept"] + counts.audited
        return ModelFigures(
            events=counts.events,
            decisions=cast("dict[Decision, int]", counts.decisions),
            corrections=counts.corrections,
            chosen_share=chosen / counts.events if counts.events else None,
            answered_share=counts.answered / counts.events if counts.events else None,
            accuracy=self._interval(counts),
        )

    def _interval(self, counts: ModelCounts) -> Interval | None:
        """The accuracy as in the view ``accuracy_so_far``, by the settings of ``[accuracy]``; None without answers."""
        sums = AccuracySums(
            events=counts.reviewable,
            audit_hits=counts.audit_hits,
            answered=counts.answered_reviewable,
            right=counts.answered_right,
            total=counts.accuracy_total,
            variance=counts.accuracy_variance,
            lost=counts.accuracy_lost,
            gained=counts.accuracy_gained,
            unanswered_variance=counts.accuracy_open_variance,
        )
        least = counts.inclusion_min or 1.0
        interval = AccuracyEstimate(self._accuracy, inclusion_probability_min=least, sums=sums).interval()
        if interval is None:
            return None
        estimate, low, high = interval
        return Interval(estimate=estimate, low=low, high=high, level=1.0 - self._accuracy.alpha)

    def _measure_lag(self) -> None:
        try:
            lags = lags_of_groups(self._kafka, GROUPS)
            held_seconds = shortest_span(commit_notes(self._kafka, "intake", GROUPS["intake"]))
        except StreamsError as error:
            self._roles, self._late = (), (f"Lag is unknown: {error}",)
            for role in GROUPS:
                LAG_MESSAGES.labels(role).set(UNKNOWN)
                LAG_SECONDS.labels(role).set(UNKNOWN)
            return
        for role, lag in lags.items():
            LAG_MESSAGES.labels(role).set(lag.messages)
            LAG_SECONDS.labels(role).set(UNKNOWN if lag.seconds is None else lag.seconds)
        limits = self._worker.lag_seconds_warning, self._worker.lag_messages_warning
        states = {role: lag_state(lag, *limits) for role, lag in lags.items()}
        self._roles = tuple(role_state(role, lag, states[role]) for role, lag in lags.items())
        late = [f"{role} is behind: {lag_text(lags[role])}." for role in lags if states[role].is_late]
        if held_seconds is not None and self._worker.dedupe_span_seconds:
            late.append(f"INTAKE forgets early: {span_warning(held_seconds, self._worker)}.")
        self._late = tuple(late)


def role_state(role: str, lag: Lag, state: LagState) -> RoleState:
    """A role's lag as the console shows it.

    >>> state = role_state("drift", Lag(9, 30.0), LagState("catching up", is_late=False))
    >>> state.lag_messages, state.lag_seconds, state.note
    (9, 30.0, 'catching up')
    """
    seconds = None if lag.seconds is None else round(lag.seconds, 3)
    return RoleState(role=role, lag_messages=lag.messages, lag_seconds=seconds, note=state.note)
