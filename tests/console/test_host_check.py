"""The console answers to its own names only: a page of another site cannot make its name point here."""

from __future__ import annotations

import pytest
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient

from console.host_check import host_name

OURS = [
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "127.0.0.1",
    "127.0.0.53:80",
    "[::1]:8080",
    "desk",
    "desk.example.org",
]
FOREIGN = [
    "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1",
    "[2001:db8::1]", "0.0.0.0", "desk.example.org.evil.example", "notdesk", "2130706433",
]  # fmt: skip
RUBBISH = ["", " ", "[", "[::1", "a b", "local host", "localhost/", "user@localhost", "localhost:x", "localhost:123456",
           "localhost,evil.example", "\u20ac", "localhost\x00", "a" * 5_000 + "!"]  # fmt: skip
PATHS = ["/", "/sign-in", "/healthz", "/metrics", "/api/session", "/static/console.css", "/schema", "/nothing"]


@pytest.fixture
def app(make_console):
    return make_console(hosts=("desk", "Desk.example.ORG"), metrics_everywhere=True)


def ask(app, path, host):
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.follow_redirects = False
        return client.get(path, headers={"host": host.encode("utf-8")})


@pytest.mark.parametrize("host", OURS)
def test_own_names_are_answered(app, host):
    """This machine, and what the settings name; upper case, a last dot and any port are no matter."""
    assert [ask(app, path, host).status_code for path in PATHS[2:5]] == [200, 200, 200]


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused_everywhere(app, host):
    """On pages, files, metrics and addresses that are not there: one line that says what to do."""
    for path in PATHS:
        answer = ask(app, path, host)
        assert answer.status_code == 421, path
        assert "console.hosts" in answer.text
        assert answer.text.count("\n") <= 1
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", RUBBISH, ids=lambda host: ascii(host[:20]))
def test_what_is_no_host_is_refused(app, host):
    """It reaches nothing that would try to make an address of it."""
    for path in PATHS:
        assert ask(app, path, host).status_code == 400, path


def test_two_hosts_are_none(app):
    """Two Host headers are refused: a proxy may have checked the other one."""
    with TestClient(app, base_url="http://127.0.0.1") as client:
        headers = [("host", "127.0.0.1"), ("host", "evil.example")]
        assert client.get("/healthz", headers=headers).status_code == 400


@pytest.mark.parametrize("header", ["x-forwarded-host", "forwarded", "x-host"])
def test_no_other_header_counts(app, header):
    """Other headers with a host do not count: only Host names the site that a browser believes to be at."""
    with TestClient(app, base_url="http://127.0.0.1") as client:
        asked = client.get("/healthz", headers={"host": "evil.example", header: "localhost"})
        assert asked.status_code == 421


@pytest.mark.parametrize(("host", "code"), [("evil.example", 1008), ("[", 1008)])
def test_websockets_are_refused_too(app, host, code):
    """The console has no WebSockets, and one under a foreign name is refused before it learns so."""
    with (
        TestClient(app, base_url="http://127.0.0.1") as client,
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/", headers={"host": host}),
    ):
        pass
    assert refused.value.code == code


def test_the_address_that_a_request_came_to_is_ours(make_console):
    """A browser at http://192.0.2.10:8080 names that address; a name that points to it does not count."""
    import asyncio

    from httpx import ASGITransport, AsyncClient

    async def status(host):
        async def app(scope, receive, send):
            await console(scope | {"server": ("192.0.2.10", 8080)}, receive, send)

        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://192.0.2.10:8080") as client:
            return (await client.get("/healthz", headers={"host": host})).status_code

    console = make_console(host="0.0.0.0")
    assert asyncio.run(status("192.0.2.10:8080")) == 200
    assert asyncio.run(status("192.0.2.11:8080")) == 421
    assert asyncio.run(status("ten.example")) == 421


def test_the_name_in_a_header():
    """RFC 9110, without port, brackets, case and last dot."""
    assert [host_name(host) for host in RUBBISH] == [""] * len(RUBBISH)
    assert host_name("[2001:DB8::1]:443") == "2001:db8::1"
