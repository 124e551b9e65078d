"""Person: who may sign in, and as what."""

from __future__ import annotations

from typing import Literal

from schemas.wire.base import Count, EpochMs, Id, Name, Wire

__all__ = ["Person", "Role"]

Role = Literal["reviewer", "on-call", "admin"]


class Person(Wire, frozen=True, kw_only=True):
    """An account; ``password_hash`` is an argon2id string (RFC 9106), ``simulated`` marks a program of the demo."""

    person_id: Id
    name: Name = ""
    roles: tuple[Role, ...]
    password_hash: str
    disabled: bool = False
    simulated: bool = False
    version: Count = 0
    changed_at: EpochMs
