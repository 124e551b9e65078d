"""Fixtures: the console over a desk in memory."""

from __future__ import annotations

import contextlib

import pytest
from litestar.testing import TestClient

from console.app import create_app
from console.context import keep_in_memory
from console.settings import ConsoleSettings
from tests.support.console import sample_data
from tests.support.console.memory_desk import Clock, MemoryDesk

SECRET = "a secret of the tests, forty characters long"


def sample_desk(clock, **changes):
    """A desk with sample data."""
    now = clock()
    values = {
        "people": sample_data.people(now),
        "tasks": sample_data.tasks(now),
        "alerts": sample_data.alerts(now),
        "reference": sample_data.reference(now),
        "reports": {"r-vicprice-1": sample_data.REPORT},
        "state": sample_data.state(now),
    }
    return MemoryDesk(clock, **(values | changes))


async def answer_some(desk, answers=("UP", "DOWN", "UP", "UP")):
    """Lets the simulated reviewer answer a few tasks."""
    simulated = await desk.person("sim-1")
    for answer in answers:
        leased = await desk.next_task(simulated)
        await desk.answer(leased.task.task_id, simulated, answer, 2.5, "")


ORIGIN = "http://127.0.0.1"
"""The console answers to names of its own only."""


class Browser:
    """One person's client of the API: keeps cookies and sends the CSRF token."""

    def __init__(self, client):
        self.client = client
        self.client.follow_redirects = False
        self.token = self.client.get("/api/session").json()["csrf_token"]

    def get(self, address, **more):
        return self.client.get(address, **more)

    def post(self, address, json=None, **more):
        headers = {"x-csrftoken": self.token} | more.pop("headers", {})
        return self.client.post(address, json=json, headers=headers, **more)

    def form(self, address, /, **fields):
        return self.client.post(address, data={"_csrf_token": self.token} | fields)

    def delete(self, address):
        return self.client.delete(address, headers={"x-csrftoken": self.token})

    def sign_in(self, person, password=sample_data.PASSWORD):
        return self.post("/api/session", {"person": person, "password": password})


@pytest.fixture
def clock():
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def desk(clock):
    """A desk with sample data."""
    return sample_desk(clock)


@pytest.fixture
def make_console(desk, clock):
    """Makes a console over the desk; settings by keyword."""

    def make(metrics=lambda: b"watchloop_up 1\n", signed_out=None, store_sign_out=keep_in_memory, **settings):
        return create_app(
            desk,
            settings=ConsoleSettings(**({"secret": SECRET} | settings)),
            metrics=metrics,
            clock=clock,
            signed_out=signed_out,
            store_sign_out=store_sign_out,
        )

    return make


@pytest.fixture
def console(make_console):
    """A console over the desk."""
    return make_console()


@pytest.fixture
def visit(console):
    """Makes a client, signed in as this person if one is named."""
    with contextlib.ExitStack() as stack:

        def make(person="", app=None):
            browser = Browser(
                stack.enter_context(TestClient(app or console, base_url=ORIGIN, raise_server_exceptions=False))
            )
            if person:
                answer = browser.sign_in(person)
                assert answer.status_code == 200, answer.text
            return browser

        yield make
