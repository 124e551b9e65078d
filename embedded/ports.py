"""Addresses and ports on which the program listens, and how it holds a port for its servers.

Clients send passwords to a process that listens on a known port. So the program binds a port before it tells anybody
of it, never listens on it, and holds it for as long as the program runs; its servers, of the same account, bind it too.
For this both sides set ``SO_REUSEPORT``, which admits sockets of the same account alone (socket(7)). No other account
can listen there while a server starts, or after a server has ended.

The socket that holds the port does not set ``SO_REUSEADDR``: with it, any account could bind beside a socket that does
not listen. The socket that listens does set it, so that connections of an earlier server, which linger, do not prevent
the port from being held again.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

__all__ = ["BACKLOG", "hold_beside", "hold_port", "http_url", "listen_on_held_port", "resolved"]

BACKLOG = 128


def http_url(host: str, port: int) -> str:
    """The URL of an HTTP server on this address; an IPv6 address stands in brackets (RFC 3986).

    >>> http_url("127.0.0.1", 8080), http_url("::1", 8080), http_url("desk", 80)
    ('http://127.0.0.1:8080', 'http://[::1]:8080', 'http://desk:80')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The family of a host's address, and the address to bind; IPv4 for a name that has both families.

    Raises ``OSError`` where the host is neither an address nor a name that is known here.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # a text that cannot be a name at all
        raise OSError(errno.EINVAL, "neither an address nor a name") from error
    family, _, _, _, address = min(addresses, key=lambda info: info[0] != socket.AF_INET)
    return family, address


def hold_port(host: str, port: int) -> socket.socket:
    """A socket that holds the port, or any free one for 0, until it is closed. Connections to it are refused.

    ``host`` is an address of IPv4 or IPv6, or a name. Raises ``OSError`` where another process has the port, be it of
    this account, or where the host is not an address of this machine.
    """
    port = _free_port(host, port)
    held = _bound(host, port, socket.SO_REUSEPORT)
    held.set_inheritable(False)
    return held


def hold_beside(host: str, port: int) -> socket.socket:
    """A socket that holds a port which another process of this account holds too.

    Raises ``OSError`` where a process has the port and does not share it with this account.
    """
    return _bound(host, port, socket.SO_REUSEPORT)


def listen_on_held_port(host: str, port: int) -> socket.socket:
    """A listening socket on a port that another process of this account holds.

    Raises ``OSError`` where a process has the port and does not share it with this account.
    """
    listening = _bound(host, port, socket.SO_REUSEADDR, socket.SO_REUSEPORT)
    listening.listen(BACKLOG)
    return listening


def _free_port(host: str, port: int) -> int:
    """The port itself if it is free, or any free one for 0. Raises ``OSError`` where a process has it."""
    family, address = resolved(host, port)
    with socket.socket(family) as probe:
        # Connections that linger do not make the port taken; a listening socket does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _keep_to_own_family(probe)
        probe.bind(address)
        probe.listen()
        return int(probe.getsockname()[1])


def _bound(host: str, port: int, *options: int) -> socket.socket:
    family, address = resolved(host, port)
    bound = socket.socket(family)
    try:
        _keep_to_own_family(bound)
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _keep_to_own_family(listener: socket.socket) -> None:
    """Let ``::`` stand for every IPv6 address and for no IPv4 address, as in asyncio's servers."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
