"""How DRIFT stands with each model, told: as metrics, in ClickHouse for the Loop page, and in the log."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import structlog

from agents.shared.metrics import FEATURES_UNWATCHED, FORCED_BLOCKS, LATE_BLOCKS, LATE_EVENTS
from drift.monitor import ModelMonitor
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.store.rows import drift_state_row

__all__ = ["DriftStates", "States"]

log = structlog.get_logger(__name__)

TELL_SECONDS = 5.0
"""Between two rows of one model at least."""
COUNT_SECONDS = 60.0
"""Until a row is told anew because nothing but the count of events has changed."""
RETRY_SECONDS = 60.0
"""Until the next try where ClickHouse did not take it: drift goes on meanwhile."""

Figures = dict[str, str | int | list[str]]


class Told(NamedTuple):
    """A model's newest row: its figures, the events that it counts, and when it was told (epoch milliseconds)."""

    figures: Figures
    events_seen: int
    at_ms: int


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
        self._told: dict[str, Told] = {}
        self._shown: set[str] = set()
        self._next_ms = 0

    def tell(self, monitors: dict[str, ModelMonitor], now_ms: int) -> None:
        """The metrics of all, and a row of each model where there is news; forgets models that are gone."""
        if now_ms < self._next_ms <= now_ms + RETRY_SECONDS * 1000:  # a clock that was put back is not waited for
            return
        self._next_ms = now_ms + int(TELL_SECONDS * 1000)
        for model in self._shown.difference(monitors):  # another worker's since partitions were dealt out anew
            self.forget(model)
        self._told = {model: told for model, told in self._told.items() if model in monitors}
        self._shown = set(monitors)
        news: dict[str, Told] = {}
        for model, monitor in monitors.items():
            show(model, monitor)
            now = Told(figures_of(monitor), monitor.events_seen, now_ms)
            if _is_news(self._told.get(model), now):
                news[model] = now
        if not news:
            return
        rows = [
            drift_state_row(
                told_at=now_ms,
                model=model,
                events_seen=told.events_seen,
                windows_seen=monitors[model].windows_seen,
                **told.figures,
            )
            for model, told in news.items()
        ]
        try:
            self._warehouse.insert("drift_states", rows, token=f"drift-states-{now_ms}")
        except WarehouseError as error:
            log.warning("state of drift not stored", why=str(error), next_try_seconds=RETRY_SECONDS)
            self._next_ms = now_ms + int(RETRY_SECONDS * 1000)
            return
        for model, told in news.items():
            before, figures = self._told.get(model), told.figures
            if figures["features_unwatched"] and (
                before is None or before.figures["unwatched"] != figures["unwatched"]
            ):
                log.warning(
                    "features are not watched",
                    model=model,
                    features=figures["features_unwatched"],
                    first=figures["unwatched"],
                    limit="drift.features_watched_max",
                )
        self._told |= news

    def forget(self, model: str) -> None:
        """Show no numbers of a model any more, because this process does not watch it now."""
        for metric in (LATE_BLOCKS, LATE_EVENTS, FORCED_BLOCKS, FEATURES_UNWATCHED):
            metric.forget(model)


def _is_news(before: Told | None, now: Told) -> bool:
    """Whether a row is due: other figures, or another count of events beside a row that has stood for a while."""
    if before is None or before.figures != now.figures:
        return True
    return before.events_seen != now.events_seen and now.at_ms - before.at_ms >= COUNT_SECONDS * 1000


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
    """Set the gauges of /metrics that stand for a model to what its monitor counts."""
    LATE_BLOCKS.set(monitor.steps.late_blocks, model)
    LATE_EVENTS.set(monitor.steps.late_events, model)
    FORCED_BLOCKS.set(monitor.steps.forced_blocks, model)
    FEATURES_UNWATCHED.set(monitor.features_unwatched, model)
