"""Nothing that a topic can hold ends a page: no 500, no traceback, no hang."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import pytest

from tests.support.live_console import LiveConsole, routes
from tests.support.poisoned_console import PAGE_CPU_SECONDS_MAX, TEXTS, poisoned_alerts, poisoned_tasks


def check_page(text: str) -> None:
    """The page has no traceback, no script but its own files, and no invisible characters."""
    assert "Traceback" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", text)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


@pytest.mark.parametrize("person_id", ["wilhelmina", "ada"])
def test_every_page_renders_over_poisoned_topics(console: LiveConsole, person_id: str) -> None:
    """Every GET route answers below 500 and in time, for each task and alert by its address."""
    ids = {
        "task_id": [task.task_id for task in poisoned_tasks()],
        "alert_id": [alert.alert_id for alert in poisoned_alerts()],
        "report_id": list(TEXTS),
        "path": list(TEXTS),
    }
    with console.visit(person_id) as visitor:
        for method, path in routes(console.app):
            if method != "GET":
                continue
            (name,) = re.findall(r"\{(\w+)\}", path) or ("",)
            for value in ids.get(name, [""]):
                address = path.replace(f"{{{name}}}", quote(value, safe=""))
                began = time.process_time()
                answer = visitor.client.get(address)
                assert answer.status_code < 500, (address[:200], answer.text[:500])
                assert time.process_time() - began < PAGE_CPU_SECONDS_MAX, address[:200]
                if answer.headers.get("content-type", "").startswith("text/html"):
                    check_page(answer.text)


def test_a_task_that_no_address_can_name_is_left_out(console: LiveConsole) -> None:
    """A task whose id cannot stand in an address is not queued, as nobody could answer it; all others are queued."""
    strange = {task.task_id for task in poisoned_tasks() if not re.fullmatch(r"[\w~-]+", task.task_id, re.ASCII)}
    kept = {task.task_id for task in poisoned_tasks() if console.state.queue.view(task.task_id) is not None}
    assert len(strange) > 12
    assert kept == {task.task_id for task in poisoned_tasks()} - strange


def test_the_work_goes_on_over_poisoned_tasks(console: LiveConsole) -> None:
    """Every task that is handed out is shown and can be answered with its form, and comes once."""
    shown = set()
    with console.visit("wilhelmina") as visitor:
        for _ in range(len(poisoned_tasks()) + 5):
            page = visitor.client.get("/work")
            assert page.status_code == 200, page.text[:500]
            check_page(page.text)
            action = re.search(r'action="(/tasks/[^"]*/answer)"', page.text)
            if action is None:
                break
            assert action.group(1) not in shown, "a task that was answered is handed out again"
            shown.add(action.group(1))
            answers = re.findall(r'<input type="radio" name="answer" value="([^"]*)"', page.text)
            body = {"_csrf_token": visitor.client.headers["x-csrftoken"], "answer": unescaped(answers[0])}
            done = visitor.client.post(action.group(1), data=body)
            assert done.status_code == 200, done.text[:500]
            assert "is not offered here" not in done.text, (action.group(1), answers[:3])
    assert len(shown) > 100


def unescaped(text: str) -> str:
    import html

    return html.unescape(text)
