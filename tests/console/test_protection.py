"""What holds for every route: sessions, CSRF tokens, headers, sizes, and errors in one line."""

from __future__ import annotations

import logging
import re

import pytest

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
OPEN_TO_ALL = {"/", "/sign-in", "/sign-out", "/api/session", "/healthz", "/metrics"}
PAGES = ["/queue", "/queue?lane=audit", "/work", "/alerts", "/alerts?state=firing", "/alerts/a-vicprice-1", "/loop"]


def routes(app):
    """Every method and address, with an id in place of each parameter."""
    for route in app.routes:
        if route.path.startswith("/static"):
            continue
        for method in getattr(route, "methods", ()):
            if method != "OPTIONS":
                yield method, re.sub(r"\{[^}]*\}", "x", route.path)


def test_every_change_needs_the_csrf_token(console, visit):
    """Signed in or not, no unsafe method gets past without the token, whatever the kind of body."""
    noor = visit("noor")
    unsafe = [(method, path) for method, path in routes(console) if method in UNSAFE]
    assert len(unsafe) >= 14
    for method, path in unsafe:
        bodies = ({"json": {}}, {"data": {"_csrf_token": "x" * 128}}, {"headers": {"x-csrftoken": "y" * 128}})
        for body in bodies if method == "POST" else ({},):
            answer = noor.client.request(method, path, **body)
            assert answer.status_code == 403, (method, path)
    assert "reload it and try again" in noor.client.post("/api/tasks/x/skip").json()["detail"]


def test_forms_in_parts_are_refused_unread(visit):
    """A part may name an encoding, of which some take time that grows with the square of what they decode."""
    slow = b"--b\r\ncontent-disposition: form-data; name=person\r\ncontent-type: text/plain; charset=punycode\r\n\r\n"
    for who in ("noor", ""):
        visitor = visit(who)
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = visitor.client.post("/sign-in", content=slow + b"a" * 60_000 + b"\r\n--b--\r\n", headers=headers)
        assert answer.status_code == 400
        assert "application/x-www-form-urlencoded" in answer.text


def test_every_route_needs_a_session_but_the_few_that_must_not(console, visit):
    """A new route is closed unless it is named here."""
    stranger = visit()
    for method, path in routes(console):
        if path in OPEN_TO_ALL or path.startswith("/schema"):
            continue
        headers = {"x-csrftoken": stranger.token}
        answer = stranger.client.request(method, path, headers=headers)
        expected = 401 if path.startswith("/api/") else 303
        assert answer.status_code == expected, (method, path)


def test_htmx_is_sent_to_the_sign_in_as_a_whole(visit):
    """A part of a page cannot show the sign-in, so the browser is redirected there."""
    answer = visit().get("/work", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?next=/work")


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/nothing", "/api/state", "/api/nothing", "/static/console.css"])
def test_security_headers_are_on_every_answer(visit, path):
    """Errors and files included."""
    headers = visit("noor").get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/schema", "/nothing"])
def test_pages_keep_their_own_policy(visit, path):
    """No inline script, no inline style, no handler attribute, nothing from another host."""
    page = visit("noor" if path != "/sign-in" else "").get(path).text
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", page)


def test_own_files_are_kept_by_browsers_and_pages_are_not(visit):
    """Files carry a mark of their content; what a person sees of the data is not stored."""
    noor = visit("noor")
    page = noor.get("/queue")
    address = re.search(r'href="(/static/console\.css\?v=[0-9a-f]{12})"', page.text).group(1)
    assert noor.get(address).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert page.headers["cache-control"] == "no-store"


def test_htmx_carries_its_licence(visit):
    """The licence of the library lies beside its file."""
    assert "Zero-Clause BSD" in visit().get("/static/htmx.LICENSE.txt").text


def test_too_large_a_body_is_refused(visit, make_console):
    """Nobody fills the memory with one request."""
    browser = visit("maria", make_console(body_bytes_max=2048))
    answer = browser.post("/api/tasks/x/opinion", {"answer": "x" * 4000, "seconds_spent": 1})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/api/state", "/loop"])
def test_failure_is_logged_whole_and_told_short(visit, desk, caplog, path):
    """The log has the exception; the person has one line without it."""

    async def fail():
        raise RuntimeError("the broker at 10.0.0.7 is gone")

    desk.loop_state = fail
    with caplog.at_level(logging.ERROR):
        answer = visit("noor").get(path)
    assert answer.status_code == 500
    assert "10.0.0.7" not in answer.text
    assert "Traceback" not in answer.text
    assert "omething failed here; the program&#39;s log" in answer.text.replace("'", "&#39;")
    assert "the broker at 10.0.0.7 is gone" in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        ("/api/nothing", 404, "nothing is at /api/nothing"),
        ("/api/tasks?lane=fast", 400, "lane: Invalid enum value 'fast'"),
        ("/api/tasks?offset=-1", 400, "offset: Expected `int` >= 0"),
        ("/api/alerts?state=loud", 400, "state: Invalid enum value 'loud'"),
    ],
)
def test_errors_are_problem_details(visit, path, status, line):
    """RFC 9457: the status, its title, and one line that says what would be right."""
    answer = visit("noor").get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"]) == (status, status)
    assert set(body) == {"status", "title", "detail"}
    assert body["detail"] == line


def test_metrics_are_for_loopback_and_admins(visit, make_console):
    """A scraper elsewhere needs the setting; without metrics the page is not there."""
    assert visit("noor").get("/metrics").status_code == 403
    assert visit("ada").get("/metrics").text == "watchloop_up 1\n"
    assert visit(app=make_console(metrics_everywhere=True)).get("/metrics").status_code == 200
    assert visit(app=make_console(metrics=None)).get("/metrics").status_code == 404


def test_health_needs_nothing(visit):
    """A supervisor can ask without an account."""
    assert visit().get("/healthz").json() == {"status": "ok"}
