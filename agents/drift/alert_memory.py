"""The alerts that DRIFT remembers, within a limit."""

from __future__ import annotations

from collections.abc import Iterator

from cachetools import FIFOCache

from review.task_life import task_id_of
from schemas.wire.alert import Alert

__all__ = ["RESOLVED_KEPT_MAX", "AlertMemory"]

RESOLVED_KEPT_MAX = 5_000
"""Resolved alerts that are remembered, so that blocks read again do not fire them again; beyond it the one that changed
longest ago is forgotten. ``drift.alerts_open_max`` bounds the open alerts of each model."""


class AlertMemory:
    """The newest revision of each alert: of all open ones, and of the ``resolved_max`` that were resolved last."""

    def __init__(self, resolved_max: int = RESOLVED_KEPT_MAX) -> None:
        self._open: dict[str, Alert] = {}
        self._resolved: FIFOCache[str, Alert] = FIFOCache(resolved_max)
        self._open_tasks: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._resolved)

    def __iter__(self) -> Iterator[Alert]:
        yield from self._open.values()
        yield from self._resolved.values()

    def keep(self, alert: Alert) -> None:
        """Remember a revision; one that is older than the known one changes nothing."""
        known = self.get(alert.alert_id)
        if known is not None and known.revision > alert.revision:
            return
        task_id = task_id_of(alert.model, alert.alert_id)
        if alert.state != "resolved":
            self._open[alert.alert_id] = alert
            self._open_tasks[task_id] = alert.alert_id
            return
        self._open.pop(alert.alert_id, None)
        self._open_tasks.pop(task_id, None)
        self._resolved.pop(alert.alert_id, None)  # so that they are listed in the order in which they changed
        self._resolved[alert.alert_id] = alert

    def get(self, alert_id: str) -> Alert | None:
        """The newest revision of an alert; None where it is not remembered."""
        return self._open.get(alert_id) or self._resolved.get(alert_id)

    def of_task(self, task_id: str) -> Alert | None:
        """The open alert that a task is about; None where there is none."""
        alert_id = self._open_tasks.get(task_id)
        return None if alert_id is None else self._open[alert_id]

    def of_model(self, model: str) -> list[Alert]:
        """The alerts of a model that are remembered."""
        return [alert for alert in self if alert.model == model]
