"""Addresses on which the program listens: IPv4, IPv6 or a name, and how they stand in a URL."""

from __future__ import annotations

import errno
import socket
from typing import Any

__all__ = ["http_url", "resolved"]


def http_url(host: str, port: int) -> str:
    """The URL of what listens there; an IPv6 address stands in brackets (RFC 3986).

    >>> http_url("127.0.0.1", 8080), http_url("::1", 8080), http_url("desk", 80)
    ('http://127.0.0.1:8080', 'http://[::1]:8080', 'http://desk:80')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The family of a host's address, and what to bind; a name that has both kinds is taken for its IPv4 address.

    Raises ``OSError`` where it is neither an address nor a name that is known here.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # what can be no name at all
        raise OSError(errno.EINVAL, "neither an address nor a name") from error
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, address
