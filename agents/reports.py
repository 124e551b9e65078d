"""Evidently reports for alerts: asked for, made in their own process, stored in ClickHouse."""

from __future__ import annotations

from typing import Protocol

import structlog

from drift.report import Reporter
from drift.rows import ReportRequest
from schemas.alert import Alert
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.rows import report_row

__all__ = ["ReportDesk", "Reports"]

log = structlog.get_logger(__name__)


class Reports(Protocol):
    """Who makes reports of alerts."""

    def ask(self, alert: Alert, request: ReportRequest, *, now_ms: int) -> None:
        """Queue the report of an alert."""

    def poll(self) -> list[tuple[str, str, str]]:
        """(alert id, report id, note) of each that is there now, or failed: then the report id is empty."""


class ReportDesk:
    """At most one report an alert; ``poll`` never waits for Evidently."""

    def __init__(self, reporter: Reporter, warehouse: Warehouse) -> None:
        self._reporter = reporter
        self._warehouse = warehouse
        self._asked: dict[str, tuple[Alert, int]] = {}

    def ask(self, alert: Alert, request: ReportRequest, *, now_ms: int) -> None:
        """Queue the report of an alert."""
        self._asked[request.report_id] = (alert, now_ms)
        self._reporter.submit(request)

    def poll(self) -> list[tuple[str, str, str]]:
        """(alert id, report id, note) of each report that is stored now, or failed: then the id is empty."""
        found = []
        for result in self._reporter.poll():
            alert, asked_at = self._asked.pop(result.report_id)
            if result.error:
                found.append((alert.alert_id, "", f"no report: {result.error}"))
                continue
            row = report_row(
                report_id=result.report_id,
                alert_id=alert.alert_id,
                model=alert.model,
                created_at=asked_at,
                json=result.json,
                html=result.html,
            )
            try:
                self._warehouse.insert("reports", [row], token=result.report_id)
            except WarehouseError as error:
                log.error("report not stored", report=result.report_id, why=str(error))
                found.append((alert.alert_id, "", f"no report: {error}"))
                continue
            found.append((alert.alert_id, result.report_id, ""))
        return found
