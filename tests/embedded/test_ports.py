"""A port that the program holds is its servers' alone: before they listen, while they do, and when they have ended."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from embedded.ports import hold_port, listen_on_held_port, resolved
from tests.support.waiting import PATIENCE_SECONDS
from watchloop.errors import PortTaken, WrongSetting
from watchloop.processes.up import held_port

HOST = "127.0.0.1"
HOSTS = [HOST, "localhost", *(["::1"] if pathlib.Path("/proc/net/if_inet6").exists() else [])]
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or ""
"""One that every account may run."""
TRY = """
import itertools, socket, sys
address, taken = (sys.argv[1], int(sys.argv[2])), []
options = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)
for host, *on in itertools.product((address[0], "0.0.0.0"), (0, 1), (0, 1)):
    with socket.socket() as one:
        for option, value in zip(options, on):
            one.setsockopt(socket.SOL_SOCKET, option, value)
        try:
            one.bind((host, address[1]))
            one.listen()
            taken.append((host, *on))
        except OSError:
            pass
print(taken)
"""


def taken_by_a_stranger(port: int) -> str:
    """How another account could listen on the port; "[]" for not at all."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PYTHON]
    done = subprocess.run([*as_nobody, "-c", TRY, HOST, str(port)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def is_refused(port: int, host: str = HOST) -> bool:
    try:
        socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not PYTHON,
    reason="becomes another account: needs setpriv, root",
)
def test_no_other_account_listens_there() -> None:
    """Not before the server does, not beside it, not after it has ended with connections that linger."""
    with hold_port(HOST, 0) as held:
        port = held.getsockname()[1]
        assert taken_by_a_stranger(port) == "[]"
        with listen_on_held_port(HOST, port) as listening:
            assert taken_by_a_stranger(port) == "[]"
            with socket.create_connection((HOST, port)) as client:
                listening.accept()[0].close()
                client.recv(1)
        assert taken_by_a_stranger(port) == "[]"
    assert taken_by_a_stranger(port) != "[]", "what nobody holds, anybody may have"


@pytest.mark.parametrize("host", HOSTS)
def test_who_holds_a_port_does_not_listen(host: str) -> None:
    """Whoever connects before the server is there, or after, is refused at once; another server takes its place."""
    with hold_port(host, 0) as held:
        port = held.getsockname()[1]
        assert is_refused(port, host)
        for _ in range(2):
            with listen_on_held_port(host, port) as listening, socket.create_connection((host, port)) as client:
                listening.accept()[0].close()
                assert client.recv(1) == b""
            assert is_refused(port, host)
    with hold_port(host, port) as again:
        assert again.getsockname()[1] == port, "what is left of connections is no reason to refuse it"


@pytest.mark.parametrize("host", HOSTS)
def test_a_port_that_somebody_has_is_not_held(host: str) -> None:
    """Another program of the same account that listens, or holds it, keeps it for itself."""
    family, _ = resolved(host, 0)
    with socket.create_server((host, 0), family=family) as other, pytest.raises(OSError, match="in use"):
        hold_port(host, other.getsockname()[1])
    with hold_port(host, 0) as held, pytest.raises(OSError, match="in use"):
        hold_port(host, held.getsockname()[1])


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "[::1]", "a..b", "x" * 300, "nul\0", "192.0.2.1", "2001:db8::1"]
)
def test_a_host_that_is_none_of_this_machine_is_refused(host: str) -> None:
    """Whatever is wrong with it: one kind of error, with words, which the program turns into a line."""
    with pytest.raises(OSError, match=r"\w+ \w+") as error:
        hold_port(host, 0)
    assert error.value.strerror
    with pytest.raises(WrongSetting, match=r"^console\.host = .*; expected an address of this machine") as told:
        held_port(host, 0)
    assert "--port" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_port_that_is_taken_is_another_matter() -> None:
    """Another port helps there, and the line says so."""
    with hold_port(HOST, 0) as held, pytest.raises(PortTaken, match="--port"):
        held_port(HOST, held.getsockname()[1])
