"""Settings of the console."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_distinct, require_order

__all__ = ["ConsoleSettings"]


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the console listens, how long people stay signed in, and what a page may hold."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    """Address to listen on; other than loopback, put a proxy with TLS in front and set ``secure_cookies``."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 takes a free one."""

    secret: Annotated[str, Meta(pattern=r"^$|^[^\n]{32,}$", max_length=1_000)] = ""
    """At least 32 characters from which the keys of sessions and CSRF tokens are derived; empty makes new keys at every
    start, so that everybody has to sign in again."""

    secure_cookies: bool = False
    """Send cookies over HTTPS alone."""

    session_idle_seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 8 * 3_600
    """A session ends after so long without a request; pages that refresh themselves count as requests."""

    session_seconds_max: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 24 * 3_600
    """A session ends so long after the sign-in, whatever happened since."""

    signed_out_sessions_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Ended sessions that are remembered so that their cookie cannot be used again; past it the oldest is forgotten."""

    sign_in_failures_max: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """Wrong passwords for one person after which the next attempt has to wait."""

    sign_in_failures_per_address_max: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Wrong passwords from one network address after which the next attempt has to wait."""

    sign_in_wait_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    """How long it has to wait; failures older than this are forgotten."""

    sign_in_entries_max: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    """Persons and addresses whose failures are counted; past it the one that failed longest ago is forgotten."""

    sign_in_parallel_max: Annotated[int, Meta(ge=1, le=64)] = 2
    """Passwords checked at the same time, 64 MiB of memory each; others wait for their turn."""

    page_rows_max: Annotated[int, Meta(ge=1, le=500)] = 50
    """Rows of one page of the queue, of the alerts, and of an answer of the API."""

    body_bytes_max: Annotated[int, Meta(ge=1_024, le=10_000_000)] = 64 * 1_024
    """Bytes of a request's body; a larger one is refused with 413."""

    comment_chars_max: Annotated[int, Meta(ge=0, le=10_000)] = 2_000
    """Characters of a comment; a longer one is refused."""

    refresh_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 3
    """How often the page that shows the state of the loop asks for new figures."""

    image_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")], ...], Meta(max_length=50)
    ] = ()
    """Origins (``https://images.example.org``) whose images a task may show; others are shown as a link, because the
    browser would tell them who is reviewing what."""

    metrics_everywhere: bool = False
    """Serve /metrics to every address; otherwise to loopback and to signed-in admins alone."""

    def __post_init__(self) -> None:
        require_order(
            self,
            ("session_idle_seconds", "session_seconds_max"),
            ("sign_in_failures_max", "sign_in_failures_per_address_max"),
        )
        require_distinct("image_origins", self.image_origins)
