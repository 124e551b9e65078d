"""Ports that a program holds for its servers: no other account can listen there while a server starts, or has ended.

Whoever listens on a known port is sent passwords. So the program binds the port before anybody is told of it, never
listens on it, and holds it for as long as it runs; its servers, of the same account, bind it as well. For this both set
``SO_REUSEPORT``, which lets in sockets of the same account alone (socket(7)). The socket that holds the port does not
set ``SO_REUSEADDR``, with which any account could bind beside a socket that does not listen; the one that listens does,
so that what is left of its connections keeps nobody from holding the port again.
"""

from __future__ import annotations

import socket

from embedded.addresses import resolved

__all__ = ["BACKLOG", "hold_beside", "hold_port", "listen_on_held_port"]

BACKLOG = 128


def hold_port(host: str, port: int) -> socket.socket:
    """The port, or any free one for 0, held until the socket is closed. Whoever connects meanwhile is refused.

    ``host`` is an address of IPv4 or IPv6, or a name. Raises ``OSError`` where somebody else, of this account too, has
    the port, or the host is none of this machine.
    """
    port = _free_port(host, port)
    held = _bound(host, port, socket.SO_REUSEPORT)
    held.set_inheritable(False)
    return held


def hold_beside(host: str, port: int) -> socket.socket:
    """A port that another process of this account holds, held for as long as this process needs it too.

    Raises ``OSError`` where it cannot be had.
    """
    return _bound(host, port, socket.SO_REUSEPORT)


def listen_on_held_port(host: str, port: int) -> socket.socket:
    """A listening socket on a port that another process of this account holds.

    Raises ``OSError`` where it cannot be had.
    """
    listening = _bound(host, port, socket.SO_REUSEADDR, socket.SO_REUSEPORT)
    listening.listen(BACKLOG)
    return listening


def _free_port(host: str, port: int) -> int:
    """The port itself, if nobody has it, or any free one for 0. Raises ``OSError`` where somebody has it."""
    family, address = resolved(host, port)
    with socket.socket(family) as probe:
        # Connections that linger are no reason to refuse the port; somebody who listens there is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _keep_to_own_kind(probe)
        probe.bind(address)
        probe.listen()
        return int(probe.getsockname()[1])


def _bound(host: str, port: int, *options: int) -> socket.socket:
    family, address = resolved(host, port)
    bound = socket.socket(family)
    try:
        _keep_to_own_kind(bound)
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _keep_to_own_kind(listener: socket.socket) -> None:
    """``::`` is every IPv6 address, and no IPv4 address: as asyncio's servers take it."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
