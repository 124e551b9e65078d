"""How DRIFT stands with each model, told: as metrics, in ClickHouse for the Loop page, and in the log."""

from __future__ import annotations

import contextlib
from typing import Protocol

import structlog

from agents.metrics import FEATURES_UNWATCHED, FORCED_BLOCKS, LATE_BLOCKS, LATE_EVENTS
from drift.monitor import ModelMonitor
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.rows import drift_state_row

__all__ = ["DriftStates", "States"]

log = structlog.get_logger(__name__)

TELL_SECONDS = 5.0
"""Between two rows of one model at least."""
COUNT_SECONDS = 60.0
"""Until a row is told anew because nothing but the count of events has changed."""
RETRY_SECONDS = 60.0
"""Until the next try where ClickHouse did not take it: drift goes on meanwhile."""

Figures = dict[str, str | int | list[str]]


class States(Protocol):
    """Who is told how DRIFT stands."""

    def tell(self, monitors: dict[str, ModelMonitor], now_ms: int) -> None:
        """Look at every monitor; called often."""

    def forget(self, model: str) -> None:
        """The model is not watched any more."""


class DriftStates:
    """Rows of what changed, at most every ``TELL_SECONDS``; what ClickHouse does not take is told the next time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._told: dict[str, Figures] = {}
        self._counted: dict[str, tuple[int, int]] = {}
        """The events that a model's newest row counts, and when it was told."""
        self._next_ms = 0

    def tell(self, monitors: dict[str, ModelMonitor], now_ms: int) -> None:
        """The metrics of all, and a row of each model where there is news; forgets models that are gone."""
        if now_ms < self._next_ms <= now_ms + RETRY_SECONDS * 1000:  # a clock that was put back is not waited for
            return
        self._next_ms = now_ms + int(TELL_SECONDS * 1000)
        self._told = {model: figures for model, figures in self._told.items() if model in monitors}
        self._counted = {model: counted for model, counted in self._counted.items() if model in monitors}
        news = {model: figures_of(monitor) for model, monitor in monitors.items()}
        rows = []
        for model, figures in news.items():
            show(model, monitors[model])
            if self._told.get(model) != figures or self._is_old(model, monitors[model].events_seen, now_ms):
                rows.append(
                    drift_state_row(
                        told_at=now_ms,
                        model=model,
                        events_seen=monitors[model].events_seen,
                        windows_seen=monitors[model].windows_seen,
                        **figures,
                    )
                )
        if not rows:
            return
        try:
            self._warehouse.insert("drift_states", rows, token=f"drift-states-{now_ms}")
        except WarehouseError as error:
            log.warning("state of drift not stored", why=str(error), next_try_seconds=RETRY_SECONDS)
            self._next_ms = now_ms + int(RETRY_SECONDS * 1000)
            return
        for model, figures in news.items():
            known = self._told.get(model)
            if figures["features_unwatched"] and (known is None or known["unwatched"] != figures["unwatched"]):
                log.warning(
                    "features are not watched",
                    model=model,
                    features=figures["features_unwatched"],
                    first=figures["unwatched"],
                    limit="drift.features_watched_max",
                )
        self._told = news
        self._counted.update({str(row["model"]): (monitors[str(row["model"])].events_seen, now_ms) for row in rows})

    def _is_old(self, model: str, events_seen: int, now_ms: int) -> bool:
        """Whether the row that stands counts other events, and has stood for a while."""
        events_told, told_at_ms = self._counted.get(model, (0, 0))
        return events_seen != events_told and now_ms - told_at_ms >= COUNT_SECONDS * 1000

    def forget(self, model: str) -> None:
        """Its metrics end: there would be more with each new name."""
        for metric in (LATE_BLOCKS, LATE_EVENTS, FORCED_BLOCKS, FEATURES_UNWATCHED):
            with contextlib.suppress(KeyError):
                metric.remove(model)


def figures_of(monitor: ModelMonitor) -> Figures:
    """What is told of a model."""
    steps = monitor.steps
    return {
        "late_blocks": steps.late_blocks,
        "late_events": steps.late_events,
        "forced_blocks": steps.forced_blocks,
        "time_resets": steps.time_resets,
        "features_unwatched": monitor.features_unwatched,
        "unwatched": list(monitor.unwatched),
    }


def show(model: str, monitor: ModelMonitor) -> None:
    """A model's metrics."""
    LATE_BLOCKS.labels(model).set(monitor.steps.late_blocks)
    LATE_EVENTS.labels(model).set(monitor.steps.late_events)
    FORCED_BLOCKS.labels(model).set(monitor.steps.forced_blocks)
    FEATURES_UNWATCHED.labels(model).set(monitor.features_unwatched)
