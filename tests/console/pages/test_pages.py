"""Pages: what a person sees, and the parts that htmx puts in place."""

from __future__ import annotations

import re

import msgspec
import pytest

from review.settings import QueueSettings
from tests.support.console import sample_data
from tests.support.console.console_fixtures import sample_desk
from tests.support.plain_tasks import new_task_for

HTMX = {"hx-request": "true"}
SCRIPT = "<script>alert(1)</script>"


def put(desk, clock, lane="review", choices=("UP", "DOWN"), **changes):
    """One task as the only one in the queue; its id."""
    prediction = msgspec.structs.replace(sample_data.prediction(1, clock()), **changes)
    task = new_task_for(
        prediction,
        lane=lane,
        created_at=clock(),
        settings=QueueSettings(),
        score=0.5,
        uncertainty=0.5,
        inclusion_probability=1.0,
        choices=choices,
    )
    desk.queue = sample_desk(clock, tasks=[task]).queue
    return task.task_id


def answer_form(page):
    """Where the answer of the task on this page goes."""
    return re.search(r'action="/tasks/([^"/]+)/answer"', page).group(1)


def test_everything_from_outside_is_escaped(visit, desk, clock):
    """A producer's text is text, wherever it shows."""
    task_id = put(
        desk, clock, content=SCRIPT, features={SCRIPT: SCRIPT}, prediction=SCRIPT, probabilities=None, confidence=0.5,
        slices={SCRIPT: SCRIPT}, model_version=SCRIPT,
    )  # fmt: skip
    maria = visit("maria")
    for page in (maria.get("/queue").text, maria.get(f"/tasks/{task_id}").text):
        assert "alert(1)" in page
        assert SCRIPT not in page


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("https://images.example/cat.png", '<img src="https://images.example/cat.png"'),
        ("https://images.example.evil.test/cat.png", '<a href="https://images.example.evil.test/cat.png"'),
        ("data:image/png;base64,AAAA", '<img src="data:image/png;base64,AAAA"'),
        ("data:image/svg+xml,<svg/>", "<pre>data:image/svg+xml,&lt;svg/&gt;</pre>"),
        ("javascript:alert(1)", "<pre>javascript:alert(1)</pre>"),
        ('{"a": [1]}', "<pre>{\n  &#34;a&#34;: [\n    1\n  ]\n}</pre>"),
    ],
)
def test_content_is_an_image_only_where_its_origin_is_allowed(visit, desk, clock, make_console, content, shown):
    """Other origins are linked, so that they do not learn who reviews what; the policy names the allowed ones."""
    task_id = put(desk, clock, content=content)
    answer = visit("maria", make_console(image_origins=("https://images.example",))).get(f"/tasks/{task_id}")
    assert shown in answer.text
    assert "img-src 'self' data: https://images.example;" in answer.headers["content-security-policy"]


def test_models_answer_is_filled_in_and_choices_have_their_keys(visit, desk, clock):
    """Confirming what the model says takes one key."""
    page = visit("maria").get(f"/tasks/{put(desk, clock)}").text
    radios = re.findall(r'<input type="radio" name="answer" value="([^"]+)" required( checked)? data-key="(.)">', page)
    assert radios == [("UP", " checked", "1"), ("DOWN", "", "2"), ("__cannot_tell__", "", "0")]


def test_choices_that_look_the_same_are_told_apart(visit, desk, clock):
    """Two letters that look like x are shown with what tells them apart, and the form sends what each is."""
    offered = ("x", "\u0445", "a\u200bb")
    task_id = put(desk, clock, choices=offered, prediction="x", probabilities=None, confidence=0.5)
    page = visit("maria").get(f"/tasks/{task_id}").text
    assert re.findall(r'name="answer" value="([^"]+)"', page) == ["x", "\u0445", "a\\u200bb", "__cannot_tell__"]
    assert re.findall(r'class="choice-name">([^<]+?) *<', page) == ["x", "\\u0445", "a\\u200bb", "Cannot tell"]


@pytest.mark.parametrize("lane", ["review", "audit"])
def test_the_audit_is_not_led_to_the_models_answer(visit, desk, clock, lane):
    """Its answers measure the model's accuracy: nothing is chosen, and the page promises no look afterwards."""
    maria = visit("maria")
    probabilities = {"UP": 0.617, "DOWN": 0.383}
    task_id = put(desk, clock, lane=lane, probabilities=probabilities, confidence=0.617)
    queue, page = maria.get("/queue").text, maria.get(f"/tasks/{task_id}").text
    work = maria.get("/work").text
    for text in (page, work):
        assert ("What the model says is not shown" in text) == (lane == "audit")
        assert ("The model says" in text) == (lane == "review")
        assert ('<span class="badge">model</span>' in text) == (lane == "review")
    for text in (queue, page, work):
        assert ("61.7" in text) == (lane == "review")
    chosen = re.findall(r'name="answer" value="([^"]+)" required checked', work)
    assert chosen == (["UP"] if lane == "review" else [])
    assert "Open the task about UP" in queue if lane == "review" else "an audit draw" in queue
    form = {"_csrf_token": maria.token, "answer": "DOWN", "shown_at": "1771999995000"}
    assert maria.client.post(f"/tasks/{task_id}/answer", data=form, headers=HTMX).status_code == 200
    assert "The model says <em>UP</em>" in maria.get(f"/tasks/{task_id}").text


def test_answer_puts_the_next_task_in_place(visit, desk):
    """htmx gets a part with the next task, the desk's sentence for readers of the screen, and the way back."""
    maria = visit("maria")
    first = answer_form(maria.get("/work").text)
    form = {"_csrf_token": maria.token, "answer": "DOWN", "shown_at": "1771999995000"}
    answer = maria.client.post(f"/tasks/{first}/answer", data=form, headers=HTMX)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert answer_form(answer.text) != first
    assert f'hx-post="/tasks/{first}/withdraw"' in answer.text
    assert "Answer taken." in answer.text
    assert answer.headers["hx-replace-url"] == "/work"
    assert (desk.opinions[-1].answer, desk.opinions[-1].seconds_spent) == ("DOWN", 5.0)


def test_pages_work_without_a_script(visit, desk):
    """The same form without htmx gives a whole page."""
    maria = visit("maria")
    first = answer_form(maria.get("/work").text)
    answer = maria.form(f"/tasks/{first}/answer", answer="UP", shown_at="not a time")
    assert answer.text.startswith("<!doctype html>")
    assert desk.opinions[-1].seconds_spent == 0.0
    back = maria.form(f"/tasks/{first}/withdraw")
    assert answer_form(back.text) == first
    skipped = maria.form(f"/tasks/{first}/skip")
    assert answer_form(skipped.text) != first


def test_wrong_answer_keeps_the_task_in_front_of_the_person(visit):
    """What was not offered is told, and nothing is lost."""
    maria = visit("maria")
    first = answer_form(maria.get("/work").text)
    answer = maria.form(f"/tasks/{first}/answer", answer="SIDEWAYS")
    assert answer_form(answer.text) == first
    assert "is not offered here" in answer.text


def test_lost_task_is_told_and_the_next_one_shown(visit, clock):
    """Who was away comes back to a task that is theirs."""
    maria, jonas = visit("maria"), visit("jonas")
    first = answer_form(maria.get("/work").text)
    clock.pass_seconds(601)
    jonas.get("/work")
    answer = maria.form(f"/tasks/{first}/answer", answer="UP")
    assert "do not hold this task any more" in answer.text
    assert answer_form(answer.text) != first


def test_waiting_page_announces_work_but_takes_none(visit, desk, clock):
    """An idle page polls; it leases nothing until somebody presses the button, and counts only what they may do."""
    full = desk.queue
    desk.queue = sample_desk(clock, tasks=()).queue
    maria = visit("maria")
    assert "Nothing waits for you" in maria.get("/work").text
    assert maria.get("/work/waiting").text.strip() == ""
    desk.queue = full
    assert "21 wait now" in maria.get("/work/waiting").text
    assert "25 wait now" in visit("noor").get("/work/waiting").text
    assert sum(lane["leased"] for lane in maria.get("/api/queue").json()["lanes"].values()) == 0


def test_waiting_page_announces_nothing_that_one_has_skipped(visit, desk, clock):
    """Tasks that wait for others are no promise: whoever skipped the last one would be sent back to the idle page."""
    full = desk.queue
    desk.queue = sample_desk(clock, tasks=()).queue
    desk.queue.put(full.page(0, 1, lane="review")[0].task, clock())
    maria = visit("maria")
    shown = maria.form(f"/tasks/{answer_form(maria.get('/work').text)}/skip")
    assert "Nothing waits for you" in shown.text
    assert maria.get("/work/waiting").text.strip() == ""
    assert "1 waits now" in visit("jonas").get("/work/waiting").text


def test_queue_page_by_page(visit, make_console):
    """Long queues have further pages that keep the lane."""
    maria = visit("maria", make_console(page_rows_max=10))
    first = maria.get("/queue?lane=review").text
    assert first.count('aria-label="Open the task') == 10
    assert 'href="/queue?lane=review&offset=10"' in first.replace("&amp;", "&")
    assert maria.get("/queue?lane=review&offset=10").text.count('aria-label="Open the task') == 5


def test_task_of_a_simulated_reviewer_is_marked(visit):
    """Programs are never shown as people."""
    program = visit("sim-1")
    assert '<span class="badge simulated">simulated</span>' in program.get("/queue").text
    program.get("/work")
    page = visit("maria").get("/queue").text
    assert re.search(r'sim-1 <span class="badge simulated"', page)


def test_task_about_an_alert_shows_its_evidence(visit):
    """Who is on call decides with the numbers in view, and no answer is filled in for them."""
    page = visit("noor").get("/work").text
    assert "Has feature vicprice really changed?" in page
    assert "shift of the mean: 3.42 standard deviations" in page
    assert 'value="confirmed" required data-key="1"' in page


def test_loop_page_refreshes_itself_and_says_what_it_shows(visit):
    """Figures with their meaning; the part that htmx asks for again has the id it selects."""
    page = visit("maria").get("/loop").text
    assert 'id="loop" hx-get="/loop" hx-select="#loop" hx-swap="outerHTML" hx-trigger="every 3s"' in page
    for text in ("18,911", "9.3 %", "between 60.2 % and 66.7 %, 95 % confidence", "learned model hat-7", "1,240"):
        assert text in page


def test_loop_page_names_what_drift_does_not_see(visit, desk):
    """Features beyond the limit by name, whatever the name; blocks that came too late or were judged too early."""
    page = visit("maria").get("/loop").text
    assert "Features not watched" not in page
    assert "Blocks out of turn" not in page
    (model, *_) = desk.state.models
    lacking = msgspec.structs.replace(
        model,
        features_unwatched=1_207,
        unwatched=("z1", "<b>z2</b>"),
        late_blocks=3,
        late_events=250,
        forced_blocks=2,
        time_resets=4,
    )
    desk.state = msgspec.structs.replace(desk.state, models=(lacking,))
    page = visit("maria").get("/loop").text
    for text in (
        "1,207",
        "z1, &lt;b&gt;z2&lt;/b&gt; and 1,205 more",
        "late 3, whose 250 events",
        "judged early 2",
        "Time jumped back",
    ):
        assert text in page


@pytest.mark.parametrize("name", ["o'neil's", "two\nlines", "two words", 'a"b', "a\\b", "prévision"])
def test_loop_page_refreshes_whatever_a_model_is_named(visit, desk, name):
    """htmx 2.0.4 looks for the elements of a refresh by their ids, in a selector that takes no quotes or line ends."""
    (model, *_) = desk.state.models
    desk.state = msgspec.structs.replace(desk.state, models=(msgspec.structs.replace(model, model=name),))
    ids = re.findall(r'\bid="((?:tasks|alerts)-of-[^"]*)"', visit("maria").get("/loop").text)
    assert len(ids) == 2
    assert all(re.fullmatch(r"[\w.~%/-]+", element_id, re.ASCII) for element_id in ids), ids


@pytest.mark.parametrize(("kinds_more", "words"), [(0, ""), (1, "1 further kind;"), (1_234, "1,234 further kinds;")])
def test_loop_page_says_how_many_rejects_it_does_not_show(visit, desk, kinds_more, words):
    """Kinds of rejects that have no line of their own are counted in one more."""
    desk.state = msgspec.structs.replace(
        desk.state, reject_kinds_more=kinds_more, rejects_more=56_789 if kinds_more else 0
    )
    page = visit("maria").get("/loop").text
    assert ("further kind" in page, "56,789" in page) == (kinds_more > 0, kinds_more > 0)
    assert words in page


def test_loop_page_before_the_first_event(visit, desk):
    """An empty start is explained, not broken."""
    desk.state = None
    page = visit("maria").get("/loop").text
    assert "No event yet" in page
    assert "Nobody has answered yet" in page


def test_page_that_is_not_there_says_so(visit):
    """A wrong address gets a page with a way on."""
    answer = visit("maria").get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing is at /nowhere." in answer.text
    assert '<a class="button" href="/">' in answer.text


def test_the_history_of_an_alert_says_what_each_revision_brought():
    """Two lines that both say "firing" must say what is new about the second."""
    from console.views.evidence_words import what_changed
    from schemas.wire.alert import Alert

    first = Alert(
        alert_id="a", model="m", signal="confidence", detector="psi", severity="warning", state="firing", revision=0,
        fired_at=1, fired_at_event=1, changed_at=1, evidence={"psi": 0.3},
    )  # fmt: skip
    worse = msgspec.structs.replace(first, severity="critical", evidence={"psi": 1.2}, revision=1)
    with_report = msgspec.structs.replace(worse, report_id="r", revision=2)
    acknowledged = msgspec.structs.replace(with_report, state="acknowledged", revision=3)
    assert what_changed(None, first) == ""
    assert what_changed(first, worse) == "severity warning to critical, newer evidence"
    assert what_changed(worse, with_report) == "report added"
    assert what_changed(with_report, acknowledged) == ""
