"""Evidently reports of alerts: asked for here, made in a process of their own, stored in ClickHouse."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import structlog

from drift.report.pipe import ReportResult
from drift.report.reporter import Reporter
from drift.report.request import ReportRequest
from schemas.wire.alert import Alert
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.store.rows import report_row

__all__ = ["Make", "Moment", "ReportDesk", "ReportNews", "Reports"]

log = structlog.get_logger(__name__)

ALERTS_SHARING_MAX = 1_000
"""Alerts that wait for one report; beyond it the oldest gets none, and a note that says so."""
NOTE_CHARS_MAX = 1_000

Moment = tuple[str, int, str]
"""A model, its number of windows, and the version of its reference: two reports of one moment would be the same."""
Make = Callable[[str, Iterable[str]], ReportRequest | None]
"""Makes the request for a report from its id and the signals it is for; None where there is nothing to compare yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReportNews:
    """The result for one alert: the id of its report, or the problem because of which there is none.

    ``note`` names what the report lacks.
    """

    alert_id: str
    report_id: str = ""
    problem: str = ""
    note: str = ""


class Reports(Protocol):
    """Makes reports of alerts."""

    def ask(self, alert: Alert, moment: Moment, make: Make, *, now_ms: int) -> None:
        """Queue the report of an alert."""

    def poll(self) -> list[ReportNews]:
        """The results since the last call; never waits for a report."""


@dataclasses.dataclass(slots=True)
class _Wanted:
    """A report that is wanted, with the signals of its alerts by alert id, in the order in which they asked."""

    model: str
    asked_at: int
    make: Make
    alerts: dict[str, str]
    tries: int = 0
    not_before: float = 0.0
    """Seconds of the clock before which a report that failed is not tried again."""


class ReportDesk:
    """Makes one report for all alerts of one moment. ``poll`` never waits for Evidently.

    Beyond ``queued_max`` waiting moments, the oldest moment of a model that has a later one waiting is joined with that
    one: its alerts get the later report, and no alert is left out. So at most ``queued_max`` moments wait, or one of
    each model.

    A report is tried ``tries_max`` times, with ``retry_seconds`` in between, if it took too long, its process died, or
    it could not be stored. Others are made meanwhile. After the last try the problem is noted on its alerts. ``clock``
    gives seconds that never go back.
    """

    def __init__(
        self,
        reporter: Reporter,
        warehouse: Warehouse,
        queued_max: int,
        *,
        tries_max: int = 1,
        retry_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter = reporter
        self._warehouse = warehouse
        self._queued_max = queued_max
        self._tries_max = tries_max
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._waiting: dict[Moment, _Wanted] = {}
        self._making: tuple[str, Moment, _Wanted] | None = None
        self._without: list[ReportNews] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, alert: Alert, moment: Moment, make: Make, *, now_ms: int) -> None:
        """Queue the report of an alert; asking again while it waits changes nothing."""
        if any(alert.alert_id in wanted.alerts for wanted in self._all()):
            return
        self._wait(moment, _Wanted(alert.model, now_ms, make, {alert.alert_id: alert.signal}))

    def poll(self) -> list[ReportNews]:
        """The results of reports that are stored now, or that could not be made."""
        news = [one_news for result in self._reporter.poll() for one_news in self._done(result)]
        self._hand_out()
        news, self._without = news + self._without, []
        return news

    def _all(self) -> Iterator[_Wanted]:
        yield from self._waiting.values()
        if self._making is not None:
            yield self._making[2]

    def _wait(self, moment: Moment, wanted: _Wanted) -> None:
        """Queue a report behind the others, or join it with the one that waits for the same moment."""
        known = self._waiting.setdefault(moment, wanted)
        known.tries, known.not_before = max(known.tries, wanted.tries), max(known.not_before, wanted.not_before)
        self._share(known, {} if known is wanted else wanted.alerts)
        if len(self._waiting) > self._queued_max:
            self._merge_oldest()

    def _share(self, wanted: _Wanted, alerts: Mapping[str, str]) -> None:
        wanted.alerts.update(alerts)
        while len(wanted.alerts) > ALERTS_SHARING_MAX:
            oldest = next(iter(wanted.alerts))
            del wanted.alerts[oldest]
            self._without.append(
                ReportNews(oldest, problem=f"more than {ALERTS_SHARING_MAX} alerts waited for one report")
            )

    def _merge_oldest(self) -> None:
        moments = list(self._waiting)
        for number, moment in enumerate(moments):
            later = next((other for other in moments[number + 1 :] if other[0] == moment[0]), None)
            if later is not None:
                earlier, wanted = self._waiting.pop(moment), self._waiting[later]
                own, wanted.alerts = wanted.alerts, earlier.alerts
                self._share(wanted, own)
                return

    def _hand_out(self) -> None:
        while self._making is None and self._reporter.is_free:
            moment = self._next()
            if moment is None:
                return
            wanted = self._waiting.pop(moment)
            report_id = f"report-{next(iter(wanted.alerts)).removeprefix('alert-')}"
            request = wanted.make(report_id, wanted.alerts.values())
            if request is None:
                problem = "no window has closed yet that could be compared with the reference"
                self._without += [ReportNews(alert_id, problem=problem) for alert_id in wanted.alerts]
                continue
            wanted.tries += 1
            self._making = (report_id, moment, wanted)
            self._reporter.submit(request)

    def _next(self) -> Moment | None:
        """The moment that has waited longest among those that may be tried now; None where there is none."""
        now = self._clock()
        return next((moment for moment, wanted in self._waiting.items() if wanted.not_before <= now), None)

    def _done(self, result: ReportResult) -> list[ReportNews]:
        if self._making is None or self._making[0] != result.report_id:
            return []
        (_, moment, wanted), self._making = self._making, None
        problem = (result.error or self._store(result, wanted))[:NOTE_CHARS_MAX]
        if problem:
            return self._failed(moment, wanted, problem, may_retry=result.may_retry or not result.error)
        note = "; ".join(result.left_out)[:NOTE_CHARS_MAX]
        return [ReportNews(alert_id, result.report_id, note=note) for alert_id in wanted.alerts]

    def _failed(self, moment: Moment, wanted: _Wanted, problem: str, *, may_retry: bool) -> list[ReportNews]:
        """Queue a report again if it may help (``may_retry``) and tries are left; else return the problem."""
        if may_retry and wanted.tries < self._tries_max:
            log.warning("no report yet", model=wanted.model, why=problem, tries=wanted.tries)
            wanted.not_before = self._clock() + self._retry_seconds
            self._wait(moment, wanted)
            return []
        if wanted.tries > 1:
            problem = f"{problem}; it was tried {wanted.tries} times"
        log.warning("no report", model=wanted.model, why=problem)
        return [ReportNews(alert_id, problem=problem) for alert_id in wanted.alerts]

    def _store(self, result: ReportResult, wanted: _Wanted) -> str:
        """Store a report; returns why it could not be stored, empty if it was."""
        row = report_row(
            report_id=result.report_id,
            alert_id=next(iter(wanted.alerts)),
            model=wanted.model,
            created_at=wanted.asked_at,
            json=result.json,
            html=result.html,
        )
        try:
            self._warehouse.insert("reports", [row], token=result.report_id)
        except WarehouseError as error:
            return str(error)
        return ""
