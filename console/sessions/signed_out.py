"""Sessions that were ended before their time: their cookies, copies too, are worth nothing."""

from __future__ import annotations

import dataclasses
from typing import Final

from cachetools import FIFOCache

from schemas.wire.sign_out import SignOut

__all__ = ["PEOPLE_MAX", "SESSIONS_PER_PERSON_MAX", "SignedOut"]

SESSIONS_PER_PERSON_MAX: Final = 100
"""Ended sessions remembered of one person; beyond it the oldest is forgotten, and with it every session of theirs that
began no later counts as ended."""
PEOPLE_MAX: Final = 10_000
"""People of whom ended sessions are remembered; beyond it everybody's sessions that began no later than those of the
person forgotten count as ended."""


@dataclasses.dataclass(slots=True)
class OfPerson:
    """One person's ended sessions by id, with when they began; all that began up to ``ended_until`` have ended."""

    sessions: dict[str, int] = dataclasses.field(default_factory=dict)
    ended_until: int = 0


class SignedOut:
    """What the log says of ended sessions; bounded, and where it forgets, more sessions count as ended and not fewer.

    Times are epoch milliseconds. A session older than ``session_seconds_max`` has ended by itself and is not kept.
    """

    def __init__(self, session_seconds_max: int) -> None:
        self._session_ms_max = session_seconds_max * 1_000
        self._people: FIFOCache[str, OfPerson] = FIFOCache(PEOPLE_MAX)
        self._ended_until = 0

    def __len__(self) -> int:
        return sum(len(person.sessions) for person in self._people.values())

    def hear(self, sign_out: SignOut, now_ms: int) -> None:
        """A session has ended, or all of a person's. Told again, or in another order, it makes no difference."""
        person = self._people.get(sign_out.person)
        if person is None:
            person = OfPerson()
            if len(self._people) == self._people.maxsize:
                _, forgotten = self._people.popitem()
                self._ended_until = max(self._ended_until, forgotten.ended_until, *forgotten.sessions.values(), 0)
        self._people[sign_out.person] = person
        if sign_out.session_id:
            person.sessions[sign_out.session_id] = min(sign_out.began_at, now_ms)
        else:
            person.ended_until = max(person.ended_until, min(sign_out.ended_at, now_ms))
        self._forget(person, now_ms)

    def has_ended(self, person: str, session_id: str, began_at: int) -> bool:
        """Whether this session is over."""
        if began_at <= self._ended_until:
            return True
        known = self._people.get(person)
        return known is not None and (began_at <= known.ended_until or session_id in known.sessions)

    def earliest(self, person: str) -> int:
        """When a session must begin at the earliest to be one."""
        known = self._people.get(person)
        return 1 + max(self._ended_until, known.ended_until if known is not None else 0)

    def _forget(self, person: OfPerson, now_ms: int) -> None:
        if len(person.sessions) <= SESSIONS_PER_PERSON_MAX:
            return
        live_from = now_ms - self._session_ms_max
        person.sessions = {name: began_at for name, began_at in person.sessions.items() if began_at >= live_from}
        while len(person.sessions) > SESSIONS_PER_PERSON_MAX:
            oldest = min(person.sessions, key=person.sessions.__getitem__)
            person.ended_until = max(person.ended_until, person.sessions.pop(oldest))
