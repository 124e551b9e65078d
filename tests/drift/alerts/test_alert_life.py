"""Alerts: one table of transitions, one open alert a signal, bounded in number."""

from __future__ import annotations

import itertools

import pytest

from drift.alerts import alert_life
from drift.alerts.alert_book import AlertBook, UnknownAlertError
from drift.alerts.alert_life import TRANSITIONS, Detection, TransitionRefusedError
from drift.settings import DriftSettings
from schemas.wire.alert import Alert, Severity

ACTIONS = {
    "acknowledge": lambda alert: alert_life.acknowledge(alert, by="ann", at=20),
    "resolve": lambda alert: alert_life.resolve(alert, by="ann", at=20, note="done"),
    "answer": lambda alert: alert_life.answer(alert, "confirmed", by="ann", at=20, note="yes"),
    "add_evidence": lambda alert: alert_life.add_evidence(alert, detection("x", "critical"), at=20),
}


def detection(signal: str, severity: Severity = "warning", **evidence: float) -> Detection:
    return Detection(signal=signal, detector="adwin", severity=severity, evidence=evidence)


def alert_in(state: str) -> Alert:
    alert = alert_life.fire(detection("x", shift_sd=1.0), model="m", at=10, at_event=500)
    if state == "acknowledged":
        return alert_life.acknowledge(alert, by="ann", at=11)
    return alert_life.resolve(alert, at=11) if state == "resolved" else alert


@pytest.mark.parametrize(
    ("state", "action"), itertools.product(["firing", "acknowledged", "resolved"], sorted(ACTIONS))
)
def test_every_state_and_action_follows_the_table(state: str, action: str) -> None:
    """What the table names happens and makes the next revision; everything else is refused with a plain reason."""
    alert = alert_in(state)
    expected = {(str(now), str(verb)): then for (now, verb), then in TRANSITIONS.items()}.get((state, action))
    if expected is None:
        with pytest.raises(TransitionRefusedError, match=f"is {state}: cannot {action.replace('_', ' ')}"):
            ACTIONS[action](alert)
        return
    after = ACTIONS[action](alert)
    assert (after.state, after.revision, after.changed_at) == (expected, alert.revision + 1, 20)
    assert (after.alert_id, after.fired_at, after.fired_at_event) == (alert.alert_id, 10, 500)


def test_the_id_depends_on_the_finding_alone() -> None:
    """The same finding has the same id; another place, signal, detector or model has another."""
    ids = {
        alert_life.alert_id_of(*parts) for parts in itertools.product(("m", "n"), ("x", "y"), ("a", "b"), ("1", "2"))
    }
    assert len(ids) == 16
    assert alert_in("firing").alert_id == alert_life.alert_id_of("m", "x", "adwin", "500")


def book(**chosen: int) -> AlertBook:
    return AlertBook("m", DriftSettings(**chosen))


def detect(alert_book: AlertBook, *detections: Detection, at: int = 10, window: int = 0) -> list[Alert]:
    return alert_book.detected(detections, at=at, at_event=at * 10, window=window, reference_version="r1")


def test_one_open_alert_a_signal() -> None:
    """Further findings add evidence at most every ``evidence_windows_min`` windows, at once if they are worse."""
    alert_book = book(evidence_windows_min=3)
    (first,) = detect(alert_book, detection("x", psi=0.3))
    assert detect(alert_book, detection("x", psi=0.4), at=11, window=2) == []
    (second,) = detect(alert_book, detection("x", psi=0.5), at=12, window=3)
    (third,) = detect(alert_book, detection("x", "critical", psi=2.0), at=13, window=4)
    assert [alert.alert_id for alert in (second, third)] == [first.alert_id] * 2
    assert (second.revision, third.revision, third.severity) == (1, 2, "critical")
    assert third.evidence["psi"] == 2.0
    assert len(alert_book.open) == 1


def test_the_cap_keeps_the_worst_and_counts_the_rest() -> None:
    """At the cap a milder finding is counted once in the worst alert's note; a worse one displaces the mildest."""
    alert_book = book(alerts_open_max=2)
    detect(alert_book, detection("a", shift_sd=3.0), detection("b", shift_sd=2.0), detection("c", shift_sd=1.0))
    assert {alert.signal for alert in alert_book.open} == {"a", "b"}
    (counted,) = [alert for alert in alert_book.open if alert.note]
    assert counted.note == "1 more signals left normal while 2 alerts were open: c"
    assert detect(alert_book, detection("c", shift_sd=1.0)) == []
    resolved, fired = detect(alert_book, detection("d", "critical"), at=30)
    assert (resolved.state, fired.signal, fired.state) == ("resolved", "d", "firing")
    assert "made room for a critical alert on d" in resolved.note
    assert len(alert_book.open) == 2


def test_a_new_alert_may_fire_once_the_last_is_resolved() -> None:
    """Two lives of one signal are two alerts."""
    alert_book = book()
    (first,) = detect(alert_book, detection("x"))
    alert_book.resolve(first.alert_id, by="ann", at=20, judged_until=10)
    (second,) = detect(alert_book, detection("x"), at=30)
    assert second.alert_id != first.alert_id
    with pytest.raises(UnknownAlertError, match=first.alert_id):
        alert_book.acknowledge(first.alert_id, by="ann", at=40, judged_until=40)


def test_what_was_reported_is_not_reported_again_after_a_restart() -> None:
    """The newest revision counts; findings up to where it was judged are silent, later ones speak."""
    alert_book = book()
    (firing,) = detect(alert_book, detection("x"), detection("x"))
    acknowledged = alert_book.acknowledge(firing.alert_id, by="ann", at=99, judged_until=15)
    again = book()
    again.restore([acknowledged, firing])
    assert again.open == (acknowledged,)
    assert detect(again, detection("x", "critical"), at=15) == []
    (later,) = detect(again, detection("x", "critical"), at=16)
    assert (later.revision, later.state) == (2, "acknowledged")


def test_reports_are_named_by_a_revision() -> None:
    """Annotating changes no state."""
    alert_book = book()
    (firing,) = detect(alert_book, detection("x"))
    named = alert_book.annotate(firing.alert_id, report_id="rep")
    assert (named.state, named.revision, named.report_id) == ("firing", 1, "rep")
    without = alert_book.annotate(firing.alert_id, report_problem="it broke")
    assert (without.revision, without.report_problem, without.note) == (2, "it broke", named.note)
