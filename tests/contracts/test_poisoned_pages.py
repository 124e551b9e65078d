"""Nothing that a topic can hold, and nothing that a request can say, ends a page: no 500, no traceback, no hang."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from litestar import Litestar
from live_console import BEGIN_MS, LiveConsole, StillWatch, routes

from agents.loop_watch import LoopFigures, ModelFigures
from agents.settings import Settings
from review.console.desk import Interval, RoleState
from review.settings import LaneSettings, QueueSettings
from schemas.alert import Alert
from schemas.block import CategoryCounts
from schemas.codec import encode
from schemas.manifest import Manifest
from schemas.opinion import Opinion
from schemas.person import Person
from schemas.reference import NumericReference, Reference
from schemas.sign_out import SignOut
from schemas.task import Evidence, Task

FAR = 253_402_300_799_999
SECONDS_MAX = 20.0
TEXTS = (
    "", "\x00", "\x1b[2J\x07", "\u202egnp.exe", "\u2066\u2069\ufeff", "a/b?c=d#e", "../../etc", ".", "..", "%00%ff%",
    "'\"><script>alert(1)</script>", "</script></style></textarea>-->", "{{ 7 * 7 }}{% raw %}", "line\nbreak\r\n\ttab",
    "\u20ac" * 60, "\U0001f4a3" * 40, "\ud7ff\ue000\uffff", " ", "-1", "NaN", "null", "x" * 200, "__cannot_tell__",
)  # fmt: skip
CONTENTS = (
    *TEXTS, "[" * 30_000, "[" * 500 + "]" * 500, '{"a":' * 20_000, "[" + "9" * 5_000 + "]", '{"a": 1e400, "b": NaN}',
    '["' + '\\"' * 40_000, "data:image/png;base64,%%%", "data:image/svg+xml,<svg onload=alert(1)>", "http://[", "https://",
    "https://x/\x00", "http://\u20ac.example/" + "a" * 10_000, "javascript:alert(1)", "x" * 100_000, '["\\ud800"]',
)  # fmt: skip
NUMBERS = (0, -0.0, 1e308, -1e308, 5e-324, 10**40, -(10**18), 2**63, 9007199254740993, True, None)


def names(texts: Any) -> list[str]:
    return [text for text in texts if 0 < len(text) <= 200]


def task(number: int, **changes: Any) -> Task:
    evidence = Evidence(event_id="e", time=BEGIN_MS, features={"x": 1.0}, prediction="up", confidence=0.5)
    plain = Task(
        task_id=f"t-{number}", lane="review", model="m", created_at=BEGIN_MS, due_at=BEGIN_MS + 10**9, priority=1.0,
        choices=("up", "down"), evidence=evidence,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def seen(**changes: Any) -> Evidence:
    return msgspec.structs.replace(task(0).evidence, **changes)  # type: ignore[type-var, return-value]


def poisoned_tasks() -> list[Task]:
    """Tasks that are valid, each strange in another place."""
    texts, short = names(TEXTS), names(TEXTS)
    changes: list[dict[str, Any]] = [
        *({"evidence": seen(content=content)} for content in CONTENTS),
        *({"task_id": text} for text in texts),
        *({"model": text, "choices": (text, "up"), "reasons": (text,)} for text in texts),
        *({"evidence": seen(prediction=text, event_id=text, model_version=text)} for text in short),
        {"evidence": seen(features=dict.fromkeys(texts, "</script>"), slices=dict.fromkeys(texts, "</td>"))},
        {"evidence": seen(features={f"n{n}": number for n, number in enumerate(NUMBERS)} | {"ranged": 1e308})},
        {"evidence": seen(probabilities=dict.fromkeys(texts, 1e+308)), "choices": tuple(texts)},
        {"evidence": seen(time=FAR, confidence=1.0), "created_at": FAR, "due_at": FAR, "changed_at": FAR},
        {"evidence": seen(time=0, confidence=0.0), "created_at": 0, "lane": "audit", "due_at": 0},
        {"evidence": None}, {"lane": "alert", "evidence": None}, {"lane": "alert", "alert_id": "absent"},
        {"lane": "escalate", "priority": 1e308}, {"lane": "audit", "priority": -1e308, "choices": ()},
        {"choices": ("up", "up", ""), "reasons": ("",) * 1_000}, {"choices": tuple(map(str, range(2_000)))},
        *({"lane": "alert", "evidence": None, "alert_id": text} for text in short),
    ]  # fmt: skip
    return [task(number, **change) for number, change in enumerate(changes)]


def poisoned_alerts() -> list[Alert]:
    plain: dict[str, Any] = {
        "model": "m", "signal": "feature.x", "detector": "ADWIN", "severity": "critical", "state": "firing",
        "revision": 0, "fired_at": BEGIN_MS, "fired_at_event": 1, "changed_at": BEGIN_MS,
    }  # fmt: skip
    evidence = {"shift_sd": 1e308, "psi": -1e308, "error_before": 1e308, "corrections": 1e308, "steps_after": -1.0}
    return [
        *(Alert(alert_id=text, **plain | {"note": text, "signal": text, "report_id": text}) for text in names(TEXTS)),
        Alert(alert_id="big", **plain | {"evidence": evidence | dict.fromkeys(TEXTS, 5e-324)}),
        Alert(alert_id="far", **plain | {"fired_at": FAR, "raised_at": FAR, "told_at": FAR, "fired_at_event": 10**30}),
        Alert(alert_id="gone", **plain | {"state": "resolved", "fired_at": 0, "changed_at": 0, "changed_by": "\x00"}),
    ]


def poisoned_references() -> list[Reference]:
    wild = (-1e308, -1e308, 0.0, 0.0, 0.0, 1e308, 1e308)
    numeric = NumericReference(
        count=1, mean=0.0, sd=0.0, block_sd=0.0, minimum=0.0, maximum=0.0, edges=(), histogram=(), quantiles=wild
    )
    counts = [{"a": 0}, {"a": -5, "b": 5}, dict.fromkeys(TEXTS, 10**30)]
    return [
        Reference(
            model="m", version="\x00", created_at=FAR, time_min=FAR, time_max=0, events=0,
            numeric={"feature.ranged": numeric, "feature.n2": numeric, "feature.n5": numeric},
            categorical={f"feature.{text}": CategoryCounts(counts=counts[n % 3]) for n, text in enumerate(TEXTS)},
        )
    ]  # fmt: skip


class PoisonedWatch(StillWatch):
    """Figures as a poisoned archive would have them."""

    figures = LoopFigures(
        models={
            text: ModelFigures(
                events=10**30, decisions={"accept": -1}, corrections=0, chosen_share=1e308, answered_share=-1e308,  # type: ignore[dict-item]
                accuracy=Interval(estimate=1e308, low=-1e308, high=1e308, level=0.0),
            )
            for text in TEXTS
        },
        roles=tuple(RoleState(role=text, lag_events=10**30, note=text) for text in TEXTS),
        rejects=dict.fromkeys(TEXTS, -1),
        warnings=TEXTS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def console() -> LiveConsole:
    """A console whose queue, alerts, people, references, models and opinions are all poisoned."""
    lanes = LaneSettings(opinions_needed=2, roles=("reviewer", "on-call", "admin"))
    made = LiveConsole(Settings(queue=QueueSettings(review=lanes, alert=lanes)))
    state = made.state
    for one in poisoned_tasks():
        state.hear_task(encode(one))
    for alert in poisoned_alerts():
        state.hear_alert(encode(alert))
    for reference in poisoned_references():
        state.hear_reference(encode(reference))
    for text in names(TEXTS):
        state.hear_manifest(encode(Manifest(model=text, version=text, recipe=text, created_at=FAR, reason=text)))
        state.hear_person(encode(Person(person_id=text, name=text, roles=(), password_hash=text, changed_at=FAR)))
        state.hear_sign_out(encode(SignOut(person=text, session_id=text, began_at=FAR, ended_at=FAR)))
        state.hear_opinion(
            encode(
                Opinion(
                    opinion_id=text,
                    task_id="t-0",
                    model=text,
                    person=text,
                    answer=text,
                    time=FAR,
                    seconds_spent=1e308,
                    comment=text,
                )
            )
        )
    made.state.tick()
    desk = made.app.state.console.desk
    desk._watch = PoisonedWatch()
    return made


def check_page(text: str) -> None:
    """A page of its own making: no script of the data's, nothing hidden in it."""
    assert "Traceback" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", text)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


@pytest.mark.parametrize("person_id", ["wilhelmina", "ada"])
def test_every_page_renders_over_poisoned_topics(console: LiveConsole, person_id: str) -> None:
    """Lists, the state of the loop, and each task and alert by its address."""
    ids = {
        "task_id": [one.task_id for one in poisoned_tasks()],
        "alert_id": [one.alert_id for one in poisoned_alerts()],
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
                began = time.monotonic()
                answer = visitor.client.get(address)
                assert answer.status_code < 500, (address[:200], answer.text[:500])
                assert time.monotonic() - began < SECONDS_MAX, address[:200]
                if answer.headers.get("content-type", "").startswith("text/html"):
                    check_page(answer.text)


def test_a_task_that_no_address_can_name_is_left_out(console: LiveConsole) -> None:
    """It would be handed out for ever, and could not be answered; all others wait in the queue."""
    strange = {one.task_id for one in poisoned_tasks() if not re.fullmatch(r"[\w~-]+", one.task_id, re.ASCII)}
    kept = {one.task_id for one in poisoned_tasks() if console.state.queue.view(one.task_id) is not None}
    assert len(strange) > 12
    assert kept == {one.task_id for one in poisoned_tasks()} - strange


def test_the_work_goes_on_over_poisoned_tasks(console: LiveConsole) -> None:
    """Page after page: every task that is handed out is shown, and can be answered from what its form holds."""
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


HEADERS = (
    b"", b"\x80\xff", b"\xe2\x82\xac", b"x" * 60_000, b"[", b"true", b"a=b; a=c; =; ;;;=", b"\"'<>", b"-1", b"9" * 400,
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff",
    b"application/json; charset=utf-99", b"application/x-www-form-urlencoded; charset=utf-16", b"text/\x00",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[" * 60_000, b'{"a":' * 10_000, b"null", b"NaN", b"1" * 5_000, b"\xff\xfe", b'{"person": "\\ud800"}',
    b'{"person": "a", "password": "\\ud800\\u0000"}', b'{"person": "\\u0000", "password": "' + b"x" * 300 + b'"}',
    b'{"answer": 1e400, "seconds_spent": 1e400}', b'{"answer": "up", "seconds_spent": -1, "comment": "\\u202e"}',
    b"answer=%ff%00&comment=%80&shown_at=" + b"9" * 400, b"answer=%E2%82%AC&shown_at=\xb2", b"&" * 10_000, b"=&=&==",
    b"next=/%E2%82%AC&person=%ff&password=%ff", b"next=/%0d%0aSet-Cookie:x=y", b"_csrf_token=%E2%82%AC" + b"x" * 130,
    b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", b"--x\r\n\r\n", b"x" * 70_000,
)  # fmt: skip
PARTS = (
    b"",
    b"%",
    b"%00",
    b"%ff",
    b"%2F",
    b"%2e%2e",
    b"%E2%82%AC",
    b"%ED%A0%80",
    b"a" * 5_000,
    b"%0d%0a",
    b"{x}",
    b"+",
    b"*",
)
QUERIES = (
    b"lane=", b"lane=%ff", b"offset=" + b"9" * 400, b"offset=1e400", b"offset=%00", b"state=%E2%82%AC",
    b"next=/%E2%82%AC", b"next=//evil", b"next=/%0d%0aX:y", b"next=%ED%A0%80", b"everywhere=2", b"&&&=;",
    b"a=b&" * 3_000, b"\xff", b"[" * 3_000,
)  # fmt: skip


FIELDS = (b"cookie", b"accept", b"content-type", b"x-csrftoken", b"hx-request", b"x-forwarded-for", b"origin", b"range")
SPEAKING_FOR_ALL = {"/sign-in", "/api/session", "/queue", "/tasks/{task_id}/answer", "/static/{path}"}
"""Headers are read before a route is: pages, the API, forms and files."""


USUAL_BODIES = {
    "/api/session": b'{"person": "nobody", "password": "x"}',
    "/opinion": b'{"answer": "up", "seconds_spent": 1}',
    "/acknowledge": b'{"comment": "x"}',
    "/resolve": b'{"comment": "x"}',
}
"""What the API takes, by the end of the path: without it garbage elsewhere would not come as far as the route."""
ODD_BODIES = (
    b'{"comment": "\\u202e\\u0000\\ud83d\\ude00"}',
    b'{"answer": "\\u0000\\u202e", "comment": "</script>", "seconds_spent": 0}',
    b'{"person": "\\u0000\\u202e", "password": "\\u0000"}',
)  # fmt: skip
"""Bodies that the API can read, with texts that nobody would write."""


def usual_body(path: str) -> bytes:
    """A body that the API's route takes."""
    return next((body for end, body in USUAL_BODIES.items() if path.startswith("/api/") and path.endswith(end)), b"")


def requests(console: LiveConsole) -> Iterator[dict[str, Any]]:
    """Every route with garbage in one place after the other."""
    types = [b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"]
    for method, template in routes(console.app):
        path = re.sub(r"\{\w+\}", "t-0", template.replace("{file_path}", "console.css")).encode()
        usual: dict[str, Any] = {"usual": usual_body(template)} if method == "POST" else {}
        if "{" in template:
            for part in PARTS:
                yield {"method": method, "path": re.sub(r"\{\w+\}", part.decode(), template).encode(), **usual}
        for query in QUERIES:
            yield {"method": method, "path": path, "query": query, **usual}
        for name, value in itertools.product(
            (b"cookie", b"accept", b"content-type", b"x-csrftoken", b"hx-request"), HEADERS
        ):
            yield {"method": method, "path": path, "headers": [(name, value)], **usual}
        if method != "GET":
            for kind, body in itertools.product(types, BODIES + ODD_BODIES):
                yield {"method": method, "path": path, "headers": [(b"content-type", kind)], "body": body}
    for method in ("GET", "POST", "PATCH", "TRACE", "\u20ac", ""):
        for part in PARTS:
            yield {"method": method, "path": b"/" + part}


OPEN_TO_ALL = (b"/", b"/sign-in", b"/sign-out", b"/api/session", b"/healthz", b"/metrics")


async def ask(console: LiveConsole, known: list[tuple[bytes, bytes]], request: dict[str, Any]) -> tuple[int, bytes]:
    """What the application answers, asked as the server asks it: bytes that no client of HTTP would send."""
    given = request.get("headers", [])
    headers = [(name, value) for name, value in known if name not in {one for one, _ in given}] + given
    body = request.get("body") or request.get("usual", b"")
    if "usual" in request and not any(name == b"content-type" for name, _ in given):
        headers.append((b"content-type", b"application/json"))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": request["method"],
        "path": unquote(request["path"].decode("latin-1")), "raw_path": request["path"], "root_path": "",
        "query_string": request.get("query", b""), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode()), *headers],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        for name, value in message.get("headers", []):
            assert isinstance(name, bytes)
            assert not re.search(rb"[\r\n\x00]", value), (name, value)
        sent.append(message)

    await asyncio.wait_for(console.app(scope, receive, send), SECONDS_MAX)  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


class Reached:
    """Which routes' own functions were called, and with garbage where: noted where the application calls them."""

    def __init__(self, app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = ""
        self.places: dict[tuple[str, str], set[str]] = {}
        for method, path, handler in handlers(app):
            self.places[method, path] = set()
            monkeypatch.setattr(handler, "_fn", self._noting(method, path, handler.fn))

    def _noting(self, method: str, path: str, function: Any) -> Any:
        def noting(*given: Any, **named: Any) -> Any:
            self.places[method, path].add(self.place)
            return function(*given, **named)

        return noting


def handlers(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    """Method, path template and handler of every route of the application."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                if method != "OPTIONS":
                    yield method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), handler


def place_of(request: dict[str, Any]) -> str:
    """Where a request has its garbage."""
    return next((place for place in ("body", "headers", "query") if place in request), "path")


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_no_route_fails_on_garbage(console: LiveConsole, is_signed_in: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the path, the query, headers, cookies and bodies of every kind: an answer below 500, in time."""
    with console.visit("ada" if is_signed_in else "") as visitor:
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
        known = [(b"cookie", cookie.encode()), (b"x-csrftoken", visitor.client.headers["x-csrftoken"].encode())]

        reached = Reached(console.app, monkeypatch)

        async def walk() -> list[tuple[int, dict[str, Any]]]:
            failed = []
            for request in requests(console):
                if not is_signed_in and request["path"] not in OPEN_TO_ALL:
                    continue  # the sign-in is as far as it gets
                if request["path"] in (b"/sign-out", b"/api/session") and request["method"] in ("POST", "DELETE"):
                    console.state.signed_out.__init__(86_400)  # type: ignore[misc]  # a sign-out would end the walk
                reached.place = place_of(request)
                status, body = await ask(console, known, request)
                if status >= 500 or b"Traceback" in body:
                    failed.append((status, {name: value[:80] for name, value in request.items()}))
            return failed

        failed = asyncio.run(walk())
    assert failed == [], "\n".join(map(str, failed[:20]))
    public = {path.decode() for path in OPEN_TO_ALL}
    missed = {
        route: sorted(wanted(*route) - places)
        for route, places in reached.places.items()
        if (is_signed_in or route[1] in public) and not wanted(*route) <= places
    }
    assert missed == {}, "garbage there is stopped before the route's own function"
    assert ("GET", "/static/{file_path}") in reached.places, "own files are a route too"


def wanted(method: str, path: str) -> set[str]:
    """Where garbage must have come through to a route: where it is stopped at the sign-in it would prove nothing."""
    if path.startswith("/static/"):
        return {"query", "headers"}  # names that are no file of ours end before the file is looked for
    return {"query", "headers"} | ({"path"} if "{" in path else set()) | ({"body"} if method != "GET" else set())
