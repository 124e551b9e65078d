"""ClickHouse's port stays the program's for as long as one of its workers may send a password there."""

from __future__ import annotations

import socket

import pytest

from agents.shared.errors import AddressLost
from embedded.ports import hold_port, listen_on_held_port
from watchloop.processes.parent import HELD_VARIABLE, hold_clickhouse_port

HOST = "127.0.0.1"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A port that a program holds, and tells its workers of."""
    made = hold_port(HOST, 0)
    monkeypatch.setenv(HELD_VARIABLE, f"{HOST}:{made.getsockname()[1]}")
    return made


def test_nobody_else_gets_the_port_when_the_program_is_gone(held: socket.socket) -> None:
    """While a worker lives, it takes the account's own server to listen there; afterwards anybody may."""
    port = held.getsockname()[1]
    with hold_clickhouse_port():
        listen_on_held_port(HOST, port).close()
        held.close()
        with pytest.raises(OSError, match="in use"):
            socket.create_server((HOST, port))
        with pytest.raises(OSError, match="in use"):
            hold_port(HOST, port)
    socket.create_server((HOST, port)).close()


def test_a_worker_that_comes_too_late_sends_nothing(held: socket.socket) -> None:
    """Where somebody else has the port already it ends in one line that names it."""
    port = held.getsockname()[1]
    held.close()
    with socket.create_server((HOST, port)), pytest.raises(AddressLost, match=f"{HOST}:{port}: .* hold ClickHouse"):
        hold_clickhouse_port()


def test_a_clickhouse_of_somebody_else_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is not the program's to hold."""
    monkeypatch.delenv(HELD_VARIABLE, raising=False)
    with hold_clickhouse_port() as nothing:
        assert nothing is None
