"""SignOut: the end of a session before its time."""

from __future__ import annotations

from schemas.wire.base import EpochMs, Id, Name, Wire

__all__ = ["SignOut"]


class SignOut(Wire, frozen=True, kw_only=True):
    """The end of one session, or, where ``session_id`` is empty, of all sessions of a person up to ``ended_at``.

    ``began_at`` is when the session began, 0 where all ended. An id is no secret: the cookie of a session is encrypted.
    """

    person: Id
    session_id: Name = ""
    began_at: EpochMs = 0
    ended_at: EpochMs
