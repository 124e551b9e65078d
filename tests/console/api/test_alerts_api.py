"""Alerts over HTTP, and their reports."""

from __future__ import annotations

from console.views.wording import clock_time


def test_on_call_acknowledges_and_resolves(visit, desk):
    """Each act is a new revision, with who did it and why; the list follows."""
    noor = visit("noor")
    done = noor.post("/api/alerts/a-vicprice-1/acknowledge", {"comment": "looking"})
    assert done.json()["message"] == "the alert is acknowledged"
    assert [alert["alert_id"] for alert in noor.get("/api/alerts?state=firing").json()] == []
    assert noor.post("/api/alerts/a-vicprice-1/resolve", {"comment": "known outage"}).status_code == 200
    view = noor.get("/api/alerts/a-vicprice-1").json()
    assert [(step["state"], step["changed_by"], step["note"]) for step in view["history"]] == [
        ("firing", "drift", ""),
        ("acknowledged", "noor", "looking"),
        ("resolved", "noor", "known outage"),
    ]


def test_reviewer_sees_alerts_but_does_not_act_on_them(visit, desk):
    """The role is named; nothing has changed."""
    maria = visit("maria")
    assert len(maria.get("/api/alerts").json()) == 2
    for action in ("acknowledge", "resolve"):
        refused = maria.post(f"/api/alerts/a-vicprice-1/{action}", {})
        assert refused.status_code == 403
        assert refused.json()["detail"] == "this needs the role on-call; maria has reviewer"
        assert maria.form(f"/alerts/a-vicprice-1/{action}").status_code == 403
    assert len(desk.histories["a-vicprice-1"]) == 1


def test_admin_may_do_what_on_call_may(visit):
    """Roles include each other."""
    ada = visit("ada")
    assert ada.post("/api/alerts/a-vicprice-1/acknowledge", {}).status_code == 200
    assert ada.get("/api/tasks/next").status_code == 200


def test_second_resolve_is_a_conflict_and_an_unknown_alert_404(visit):
    """Two people on call do not undo each other unnoticed."""
    noor = visit("noor")
    noor.post("/api/alerts/a-error-1/resolve", {})
    again = noor.post("/api/alerts/a-error-1/resolve", {})
    assert (again.status_code, again.json()["detail"]) == (409, "the alert is resolved already")
    assert noor.get("/api/alerts/none").status_code == 404
    assert noor.post("/api/alerts/none/resolve", {}).status_code == 404


def test_page_of_an_alert_speaks_in_words(visit):
    """The evidence is readable, and the actions are offered only to people on call."""
    page = visit("noor").get("/alerts/a-vicprice-1").text
    assert "shift of the mean: 3.42 standard deviations of the reference" in page
    assert "population stability index: 0.61" in page
    assert "Acknowledge</button>" in page
    assert "Acknowledge</button>" not in visit("maria").get("/alerts/a-vicprice-1").text


def test_the_clock_and_the_stream_are_told_apart(visit):
    """A replay sets them years apart: the page, its list and the API say which is which, and none for the other."""
    noor = visit("noor")
    alert = next(listed for listed in noor.get("/api/alerts").json() if listed["alert_id"] == "a-vicprice-1")
    by_clock, in_stream = clock_time(alert["raised_at"]), clock_time(alert["fired_at"])
    assert in_stream == "2017-03-01 00:00:00" < by_clock
    page = noor.get("/alerts/a-vicprice-1").text
    assert f"<dt>Fired, by the clock</dt><dd>{by_clock} UTC</dd>" in page
    assert f"<dt>Fired, in the stream</dt><dd>at event 18,342, {in_stream} UTC</dd>" in page
    assert f'title="by the clock {by_clock} UTC, in the stream {in_stream} UTC">14 min ago' in noor.get("/alerts").text
    for operation in ("/api/alerts", "/api/alerts/{alert_id}"):
        said = noor.get("/schema/openapi.json").json()["paths"][operation]["get"]["description"]
        assert "`raised_at` and `told_at` are the clock's" in said


def test_act_on_the_page_leads_back_to_the_alert(visit):
    """Forms work without a script, and the alert then shows the new state."""
    noor = visit("noor")
    done = noor.form("/alerts/a-vicprice-1/acknowledge", comment="on it")
    assert (done.status_code, done.headers["location"]) == (303, "/alerts/a-vicprice-1")
    assert "on it" in noor.get("/alerts/a-vicprice-1").text


def test_report_runs_in_a_sandbox(visit):
    """A report may run its scripts, without an origin, and only inside our own page."""
    answer = visit("maria").get("/reports/r-vicprice-1")
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "1 of 7 columns drifted" in answer.text


def test_report_needs_a_session_and_must_exist(visit):
    """Nobody reads reports from outside; one that is gone is a clear 404."""
    assert visit().get("/reports/r-vicprice-1").status_code == 303
    assert visit("maria").get("/reports/none").status_code == 404
