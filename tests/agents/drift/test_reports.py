"""Alerts that fire together share a report; every alert gets one, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from agents.drift.reports import ALERTS_SHARING_MAX, ReportDesk
from drift.report.pipe import ReportResult
from drift.report.request import ReportRequest
from schemas.wire.alert import Alert
from warehouse.errors import WarehouseError


class StillReporter:
    """Makes a report when the test says so."""

    def __init__(self) -> None:
        self.asked: list[ReportRequest] = []
        self.results: list[ReportResult] = []
        self.is_free = True

    def submit(self, request: ReportRequest) -> None:
        assert self.is_free
        self.asked.append(request)
        self.is_free = False

    def poll(self) -> list[ReportResult]:
        done, self.results = self.results, []
        return done

    def finish(self, **result: Any) -> None:
        self.results.append(ReportResult(report_id=self.asked[-1].report_id, json="{}", html="<html>", **result))
        self.is_free = True


class Shelf:
    """Keeps the rows that are stored."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, str]] = []
        self.is_away = False

    def insert(self, table: str, rows: list[dict[str, Any]], *, token: str) -> None:
        if self.is_away:
            raise WarehouseError("ClickHouse is away")
        self.stored += [(table, row["report_id"]) for row in rows]


def alert(name: str, model: str = "m") -> Alert:
    return Alert(
        alert_id=f"alert-{name}", model=model, signal=f"feature.{name}", detector="adwin", severity="warning",
        state="firing", revision=0, fired_at=1, fired_at_event=1, changed_at=1,
    )  # fmt: skip


def made(report_id: str, signals: Iterable[str]) -> ReportRequest:
    return ReportRequest(
        report_id=report_id, reference=[], current=[], numeric=list(signals), categorical=[], numeric_test="",
        categorical_test="",
    )  # fmt: skip


@pytest.fixture
def reporter() -> StillReporter:
    return StillReporter()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def desk(reporter: StillReporter, shelf: Shelf) -> ReportDesk:
    return ReportDesk(reporter, shelf, 3)  # type: ignore[arg-type]


def told(desk: ReportDesk, reporter: StillReporter) -> dict[str, tuple[str, str]]:
    """Have every report made; returns the result of each alert."""
    news = {}
    for _ in range(10_000):
        for outcome in desk.poll():
            assert outcome.alert_id not in news
            news[outcome.alert_id] = (outcome.report_id, outcome.note)
        if not reporter.is_free:
            reporter.finish()
        elif len(desk) == 0:
            break
    return news | {outcome.alert_id: (outcome.report_id, outcome.note) for outcome in desk.poll()}


def test_alerts_of_one_moment_share_a_report(desk: ReportDesk, reporter: StillReporter, shelf: Shelf) -> None:
    """Nineteen alerts at once: one report of all their signals, named on each of them."""
    for number in range(19):
        desk.ask(alert(f"c{number}"), ("m", 9, "r1"), made, now_ms=5)
    news = told(desk, reporter)
    assert len(news) == 19
    assert set(news.values()) == {("report-c0", "")}
    assert shelf.stored == [("reports", "report-c0")]
    assert reporter.asked[0].numeric == [f"feature.c{number}" for number in range(19)]


def test_nothing_is_dropped_at_the_limit(desk: ReportDesk, reporter: StillReporter) -> None:
    """Moments beyond the limit join the next one of their model; other models keep theirs."""
    for number in range(40):
        desk.ask(alert(f"a{number}"), ("m", number, "r1"), made, now_ms=5)
        assert len(desk) <= 3
    for model in "nopq":
        desk.ask(alert(f"b{model}", model), (model, 1, "r1"), made, now_ms=5)
    news = told(desk, reporter)
    assert len(news) == 44
    assert all(report_id for report_id, _ in news.values())
    assert len({report_id for report_id, _ in news.values()}) == len(reporter.asked) < 10
    assert {request.report_id for request in reporter.asked} >= {f"report-b{model}" for model in "nopq"}


def test_asking_twice_is_asking_once(desk: ReportDesk, reporter: StillReporter) -> None:
    """A second request changes nothing, while the report waits and while it is made."""
    desk.ask(alert("a"), ("m", 1, "r1"), made, now_ms=5)
    desk.ask(alert("a"), ("m", 2, "r1"), made, now_ms=5)
    desk.poll()
    desk.ask(alert("a"), ("m", 3, "r1"), made, now_ms=5)
    assert len(told(desk, reporter)) == len(reporter.asked) == 1


def test_why_there_is_none_is_told_to_all(desk: ReportDesk, reporter: StillReporter, shelf: Shelf) -> None:
    """Every alert gets the reason: no window yet, a failed report, ClickHouse away; and what a report lacks."""
    desk.ask(alert("a"), ("m", 0, ""), lambda _id, _signals: None, now_ms=5)
    (early,) = desk.poll()
    assert (early.report_id, early.problem.split(" has")[0]) == ("", "no window")
    for result in ({"error": "it broke"}, {}, {"left_out": ("left out: feature.x (reason)",)}):
        shelf.is_away = not result
        for name in "bc":
            desk.ask(alert(name), ("m", 1, "r1"), made, now_ms=5)
        assert desk.poll() == []
        reporter.finish(**result)
        (told_to_both,) = {(news.problem, news.note) for news in desk.poll()}
        assert told_to_both in (
            ("it broke", ""), ("ClickHouse is away", ""), ("", "left out: feature.x (reason)"),
        )  # fmt: skip


class Clock:
    """A clock that stands until the test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("failure", ["took too long", "away"])
def test_a_report_that_may_be_retried_is_tried_again(reporter: StillReporter, shelf: Shelf, failure: str) -> None:
    """After a timeout, or while ClickHouse is away, others are made first; no alert loses its report."""
    clock = Clock()
    desk = ReportDesk(reporter, shelf, 3, tries_max=3, retry_seconds=60.0, clock=clock)  # type: ignore[arg-type]

    def fail() -> None:
        shelf.is_away = failure == "away"
        reporter.finish(**({} if shelf.is_away else {"error": failure, "may_retry": True}))
        assert desk.poll() == []
        shelf.is_away = False

    for name in "ab":
        desk.ask(alert(name), ("m", 1, "r1"), made, now_ms=5)
    desk.poll()
    fail()
    desk.ask(alert("a"), ("m", 2, "r1"), made, now_ms=5)  # asking again while it waits changes nothing
    desk.ask(alert("c", "n"), ("n", 1, "r1"), made, now_ms=5)
    assert desk.poll() == []
    reporter.finish()
    assert [news.alert_id for news in desk.poll()] == ["alert-c"]
    clock.now = 59.0
    assert (desk.poll(), reporter.is_free, len(desk)) == ([], True, 1)
    clock.now = 60.0
    desk.poll()
    assert not reporter.is_free
    reporter.finish()
    assert {news.alert_id: news.report_id for news in desk.poll()} == dict.fromkeys(["alert-a", "alert-b"], "report-a")
    assert len(reporter.asked) == 3


def test_tries_are_bounded_and_the_last_says_why(reporter: StillReporter, shelf: Shelf) -> None:
    """After the last try each alert gets the reason and the number of tries; a hopeless report is not tried again."""
    clock = Clock()
    desk = ReportDesk(reporter, shelf, 3, tries_max=3, retry_seconds=60.0, clock=clock)  # type: ignore[arg-type]
    desk.ask(alert("a"), ("m", 1, "r1"), made, now_ms=5)
    news = []
    for _ in range(10):
        clock.now += 60.0
        news += desk.poll()
        if not reporter.is_free:
            reporter.finish(error="took longer than 60 seconds", may_retry=True)
    assert [outcome.problem for outcome in news] == ["took longer than 60 seconds; it was tried 3 times"]
    assert (len(reporter.asked), len(desk)) == (3, 0)
    desk.ask(alert("b"), ("m", 2, "r1"), made, now_ms=5)
    desk.poll()
    reporter.finish(error="it broke")
    assert [outcome.problem for outcome in desk.poll()] == ["it broke"]
    assert len(reporter.asked) == 4


def test_alerts_that_share_are_bounded(desk: ReportDesk, reporter: StillReporter) -> None:
    """Of more alerts than may share a report, the oldest get the reason why they have none."""
    for number in range(ALERTS_SHARING_MAX + 5):
        desk.ask(alert(f"a{number}"), ("m", 1, "r1"), made, now_ms=5)
    news = told(desk, reporter)
    assert len(news) == ALERTS_SHARING_MAX + 5
    assert [name for name, (report_id, _) in news.items() if not report_id] == [f"alert-a{n}" for n in range(5)]
