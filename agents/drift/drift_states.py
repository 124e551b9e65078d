"""How DRIFT stands with each model: on /metrics, in ClickHouse for the Loop page, and in the log."""

from __future__ import annotations

from collections.abc import Mapping
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
"""Between two rows of one model at least where only the count of events has changed."""
RETRY_SECONDS = 60.0
"""Between two tries where ClickHouse does not take the rows; drift goes on meanwhile."""

Figures = dict[str, str | int | list[str]]


class State(NamedTuple):
    """A model's row: its figures, the events that it counts, and its time in epoch milliseconds."""

    figures: Figures
    events_seen: int
    at_ms: int


class States(Protocol):
    """Shows how DRIFT stands with its models."""

    def show(self, monitors: Mapping[str, ModelMonitor], now_ms: int) -> None:
        """Look at the monitors of all models; called after every batch."""

    def forget(self, model: str) -> None:
        """Show nothing of a model any more: it is not watched now."""


class DriftStates:
    """Stores a row for each model whose state has changed, at most every ``TELL_SECONDS``.

    Where ClickHouse does not take the rows, those that are due ``RETRY_SECONDS`` later are stored instead.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._stored: dict[str, State] = {}
        self._shown: set[str] = set()
        self._next_ms = 0

    def show(self, monitors: Mapping[str, ModelMonitor], now_ms: int) -> None:
        """Set the gauges of all models, store the rows that are due, and forget models without a monitor."""
        if now_ms < self._next_ms <= now_ms + RETRY_SECONDS * 1000:  # a clock that was put back is not waited for
            return
        self._next_ms = now_ms + int(TELL_SECONDS * 1000)
        for model in self._shown.difference(monitors):  # another worker's since partitions were dealt out anew
            self.forget(model)
        self._stored = {model: state for model, state in self._stored.items() if model in monitors}
        self._shown = set(monitors)
        due: dict[str, State] = {}
        for model, monitor in monitors.items():
            set_gauges(model, monitor)
            state = State(figures_of(monitor), monitor.events_seen, now_ms)
            if _is_due(self._stored.get(model), state):
                due[model] = state
        if not due:
            return
        rows = [
            drift_state_row(
                told_at=now_ms,
                model=model,
                events_seen=state.events_seen,
                windows_seen=monitors[model].windows_seen,
                **state.figures,
            )
            for model, state in due.items()
        ]
        try:
            self._warehouse.insert("drift_states", rows, token=f"drift-states-{now_ms}")
        except WarehouseError as error:
            log.warning("state of drift not stored", why=str(error), next_try_seconds=RETRY_SECONDS)
            self._next_ms = now_ms + int(RETRY_SECONDS * 1000)
            return
        for model, state in due.items():
            before, figures = self._stored.get(model), state.figures
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
        self._stored |= due

    def forget(self, model: str) -> None:
        """End the gauges of a model that this process does not watch now."""
        for metric in (LATE_BLOCKS, LATE_EVENTS, FORCED_BLOCKS, FEATURES_UNWATCHED):
            metric.forget(model)


def _is_due(stored: State | None, now: State) -> bool:
    """Whether a row is due: its figures are new, or its count of events is and ``COUNT_SECONDS`` have passed."""
    if stored is None or stored.figures != now.figures:
        return True
    return stored.events_seen != now.events_seen and now.at_ms - stored.at_ms >= COUNT_SECONDS * 1000


def figures_of(monitor: ModelMonitor) -> Figures:
    """The columns of a model's row, by name, that say how its monitor stands."""
    steps = monitor.steps
    return {
        "late_blocks": steps.late_blocks,
        "late_events": steps.late_events,
        "forced_blocks": steps.forced_blocks,
        "time_resets": steps.time_resets,
        "features_unwatched": monitor.features_unwatched,
        "unwatched": list(monitor.unwatched),
    }


def set_gauges(model: str, monitor: ModelMonitor) -> None:
    """Set a model's gauges on /metrics to the counts of its monitor."""
    LATE_BLOCKS.set(monitor.steps.late_blocks, model)
    LATE_EVENTS.set(monitor.steps.late_events, model)
    FORCED_BLOCKS.set(monitor.steps.forced_blocks, model)
    FEATURES_UNWATCHED.set(monitor.features_unwatched, model)
