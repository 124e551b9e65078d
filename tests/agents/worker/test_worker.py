"""/metrics of a worker listens on loopback by default; where it cannot listen, one line says why."""

from __future__ import annotations

import socket
import urllib.request
from typing import Any

import prometheus_client
import pytest

from agents.settings import WorkerSettings
from agents.shared.errors import MetricsRefused
from agents.worker.worker import serve_metrics
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def port() -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    return free


@pytest.fixture(autouse=True)
def _closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Any:
    """End the servers that a test started."""
    started = []
    start = prometheus_client.start_http_server

    def remembered(*args: Any) -> Any:
        started.append(start(*args))
        return started[-1]

    monkeypatch.setattr(prometheus_client, "start_http_server", remembered)
    yield
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


def is_served(host: str, port: int) -> bool:
    """Whether a server listens there."""
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((host, port)) == 0


def test_loopback_alone(port: int) -> None:
    """127.0.0.1 answers; another address of this machine does not."""
    serve_metrics(WorkerSettings(metrics_port=port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS) as answer:
        assert answer.status == 200
    assert not is_served("127.0.0.2", port), "127.0.0.2 is an address of this machine like any other"


def test_wherever_it_is_told(port: int) -> None:
    """0.0.0.0 stands for every address."""
    serve_metrics(WorkerSettings(metrics_port=port, metrics_host="0.0.0.0"))  # what is tested
    assert is_served("127.0.0.2", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_it_cannot_have(port: int, host: str) -> None:
    """A port in use, an address of another machine, an unknown name: one line that names the settings."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(MetricsRefused, match=r"worker\.metrics_host") as error:
            serve_metrics(WorkerSettings(metrics_port=port, metrics_host=host))
    assert f"{host}:{port}" in str(error.value)
