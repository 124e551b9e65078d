"""A session that was signed out stays ended: after a kill -9 of the worker, and for every other console."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import httpx
import pytest

from streams.settings import KafkaSettings
from tests.support.desk_worker import Worker
from tests.support.waiting import PATIENCE_SECONDS, eventually
from watchloop.people import person_of, sign_out, write_people

PASSWORD = "four rainy words together"

pytestmark = pytest.mark.servers


@pytest.fixture
def workers(tmp_path: pathlib.Path, kafka_topics: KafkaSettings) -> Iterator[list[Worker]]:
    """Two workers with a console each, not started."""
    write_people(kafka_topics, [person_of("ada", PASSWORD, ("admin",))])
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Worker(tmp_path / name, kafka_topics, "desk"))
    yield made
    for worker in made:
        worker.end()


def sign_in(worker: Worker) -> httpx.Client:
    client = httpx.Client(base_url=worker.url, trust_env=False, timeout=PATIENCE_SECONDS)
    client.headers["x-csrftoken"] = client.get("/api/session").json()["csrf_token"]
    answer = client.post("/api/session", json={"person": "ada", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client


def is_in(worker: Worker, cookies: dict[str, str]) -> bool:
    """Whether these cookies are somebody's session there."""
    session = httpx.get(f"{worker.url}/api/session", cookies=cookies, trust_env=False, timeout=PATIENCE_SECONDS).json()
    return session["person"] is not None


def test_a_copied_cookie_stays_dead(workers: list[Worker], kafka_topics: KafkaSettings) -> None:
    """A signed-out cookie is refused by the other console, and by its own after a kill right after the sign-out."""
    worker_a, worker_b = (worker.start() for worker in workers)
    first, second, third = (sign_in(worker_a) for _ in range(3))
    copied, killed, kept = dict(first.cookies), dict(second.cookies), dict(third.cookies)
    assert is_in(worker_b, copied), "sessions are good on every console"
    assert first.delete("/api/session").status_code == 204
    eventually("the other console refuses the cookie", lambda: not is_in(worker_b, copied), worker_b.log)
    assert second.delete("/api/session").status_code == 204
    worker_a.kill()
    worker_a.start()
    assert not is_in(worker_a, copied)
    assert not is_in(worker_a, killed)
    assert is_in(worker_a, kept)
    sign_out(kafka_topics, "ada")
    for worker in (worker_a, worker_b):
        eventually("signed out everywhere", lambda worker=worker: not is_in(worker, kept), worker.log)  # type: ignore[misc]
    assert is_in(worker_b, dict(sign_in(worker_b).cookies))
