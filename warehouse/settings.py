"""Settings of the warehouse: where ClickHouse is, and how much is sent to it at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.setting_checks import problem_of_url

__all__ = ["ClickHouseSettings"]

MIB = 1024 * 1024
GIB = 1024 * MIB


class ClickHouseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ClickHouse the program reads and writes, and how much it sends at once."""

    url: Annotated[str, Meta(pattern="^https?://")] = "http://localhost:8123"
    """Address of ClickHouse's HTTP interface."""
    database: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)] = "watchloop"
    """Database that holds the tables; created by the program."""
    user: Annotated[str, Meta(min_length=1)] = "watchloop"
    """User that may create tables and insert."""
    password: str = ""
    """Password of ``user``."""
    analyst_user: Annotated[str, Meta(min_length=1)] = "analyst"
    """User that only reads; ``watchloop query`` asks as this one."""
    analyst_password: str = ""
    """Password of ``analyst_user``."""
    insert_rows_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    """Rows in one insert; more are sent as several, those of one message together."""
    insert_bytes_max: Annotated[int, Meta(ge=1_024, le=GIB)] = 32 * MIB
    """Bytes in one insert before compression; a single larger message is sent alone."""
    connect_seconds_max: Annotated[int, Meta(ge=1, le=300)] = 5
    """Longest wait for a connection; then ClickHouse counts as unreachable."""
    query_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 60
    """Longest wait for an answer; then the query counts as failed."""

    def __post_init__(self) -> None:
        problem = problem_of_url(self.url)
        if problem:
            raise ValueError(f"url: {problem}")
        if self.user == self.analyst_user:
            raise ValueError(f"user and analyst_user are both {self.user!r}; who only reads needs a user of its own")
