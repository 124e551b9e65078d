"""ConsoleSettings: the section ``console`` of the settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_distinct, require_order

__all__ = ["ConsoleSettings"]

HOST_PATTERN = r"^[A-Za-z0-9.:_\[\]-]{1,255}$"
"""A host name, or an address of IPv4 or IPv6."""


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the console listens, how long people stay signed in, and how much a page may hold."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    """Address to listen on, of IPv4 or IPv6 (``::1``), or a host name. For any address but loopback, put a proxy with
    TLS in front and set ``secure_cookies``, ``hosts`` and ``trusted_proxies``."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 chooses a free one."""

    start_seconds_max: Annotated[float, Meta(gt=0, le=3_600)] = 180.0
    """Longest wait of ``watchloop up`` for the console to answer after the start of its worker."""

    hosts: Annotated[tuple[Annotated[str, Meta(pattern=HOST_PATTERN)], ...], Meta(max_length=50)] = ()
    """Further names under which the console is reached (``desk.example.org``), without a port. A request with another
    name in its Host header is refused with 421, so that no site can point a name of its own here (DNS rebinding).
    ``localhost``, loopback addresses, the address at which the request arrived, and ``host`` are always accepted."""

    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(/\d{1,3})?$")], ...], Meta(max_length=50)
    ] = ()
    """Addresses and networks (``10.0.0.0/8``) of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; from
    anybody else these headers are ignored. Behind a proxy that is not named here all people share one address, and
    somebody who guesses passwords makes people wait whose browser has not signed in before."""

    secret: Annotated[str, Meta(pattern=r"^$|^[^\n]{32,}$", max_length=1_000)] = ""
    """At least 32 characters from which the keys of sessions and CSRF tokens are derived. If it is empty, every start
    makes new keys, and everybody has to sign in again."""

    secure_cookies: bool = False
    """Send cookies over HTTPS only."""

    session_idle_seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 8 * 3_600
    """A session ends after so many seconds without a request; pages that refresh themselves make requests too."""

    session_seconds_max: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 24 * 3_600
    """A session ends so many seconds after the sign-in, also if it is in use."""

    sign_in_failures_max: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """Wrong passwords for one person after which the next attempt has to wait. A browser and an address from which the
    person has signed in before have the same number each, so that nobody elsewhere can lock the person out."""

    sign_in_failures_per_address_max: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Wrong passwords from one network address (of IPv6, one /64) after which the next attempt has to wait. Browsers in
    which the person has signed in before are not affected."""

    sign_in_wait_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    """How long the next attempt has to wait; twice as long after every further wrong password."""

    sign_in_wait_seconds_max: Annotated[int, Meta(ge=1, le=86_400)] = 900
    """The longest time that an attempt has to wait."""

    sign_in_forget_seconds: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 86_400
    """Wrong passwords are forgotten so many seconds after the latest one, or after a sign-in."""

    sign_in_entries_max: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    """Persons, addresses and browsers whose failures are counted. Beyond it, one of those with the fewest failures is
    forgotten: the one whose latest failure is the oldest."""

    sign_in_parallel_max: Annotated[int, Meta(ge=1, le=64)] = 2
    """Passwords that are checked at the same time, with 64 MiB of memory each; further ones wait. For browsers that
    have signed in before, one more is checked."""

    sign_in_waiting_max: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Passwords that may wait to be checked; a further one is refused with 429."""

    page_rows_max: Annotated[int, Meta(ge=1, le=500)] = 50
    """Rows of one page of the queue and of the alerts, and of one response of the API."""

    body_bytes_max: Annotated[int, Meta(ge=1_024, le=10_000_000)] = 64 * 1_024
    """Bytes of a request's body; a larger one is refused with 413."""

    comment_chars_max: Annotated[int, Meta(ge=0, le=10_000)] = 2_000
    """Characters of a comment; a longer one is refused."""

    refresh_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 3
    """How often the page with the state of the loop asks for new figures."""

    image_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")], ...], Meta(max_length=50)
    ] = ()
    """Origins (``https://images.example.org``) whose images a task may show. Images of other origins become links,
    because loading them would reveal to that origin who reviews what."""

    metrics_everywhere: bool = False
    """Serve /metrics to every address; otherwise only to loopback and to signed-in admins."""

    def __post_init__(self) -> None:
        require_order(
            self,
            ("session_idle_seconds", "session_seconds_max"),
            ("sign_in_wait_seconds", "sign_in_wait_seconds_max"),
            ("sign_in_wait_seconds_max", "sign_in_forget_seconds"),
        )
        require_distinct("image_origins", self.image_origins)
        require_distinct("hosts", self.hosts)
        require_distinct("trusted_proxies", self.trusted_proxies)
