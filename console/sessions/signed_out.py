"""SignedOut: sessions that people have ended, so that copies of their cookies are refused too."""

from __future__ import annotations

import dataclasses
from typing import Final

from cachetools import FIFOCache

from schemas.wire.sign_out import SignOut

__all__ = ["PEOPLE_MAX", "SESSIONS_PER_PERSON_MAX", "SignedOut"]

SESSIONS_PER_PERSON_MAX: Final = 100
"""Ended sessions that are remembered of one person. Beyond it the oldest is forgotten, and every session of this person
that began no later counts as ended."""
PEOPLE_MAX: Final = 10_000
"""People whose ended sessions are remembered. Beyond it one person is forgotten, and every session of anybody that
began no later than that person's ended ones counts as ended."""


@dataclasses.dataclass(slots=True)
class OfPerson:
    """The ended sessions of one person, by id, with the time at which they began.

    Sessions that began at or before ``ended_until`` have ended too. Times are epoch milliseconds.
    """

    sessions: dict[str, int] = dataclasses.field(default_factory=dict)
    ended_until: int = 0


class SignedOut:
    """Remembers ended sessions, within bounds; where it forgets, more sessions count as ended, never fewer.

    Times are epoch milliseconds. A session older than ``session_seconds_max`` has expired and is not kept.
    """

    def __init__(self, session_seconds_max: int) -> None:
        self._session_ms_max = session_seconds_max * 1_000
        self._people: FIFOCache[str, OfPerson] = FIFOCache(PEOPLE_MAX)
        self._ended_until = 0

    def __len__(self) -> int:
        return sum(len(person.sessions) for person in self._people.values())

    def hear(self, sign_out: SignOut, now_ms: int) -> None:
        """Remember that a session, or all sessions of a person, have ended. Repetition and order make no difference."""
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
        """Whether this session, which began at ``began_at``, has ended."""
        if began_at <= self._ended_until:
            return True
        known = self._people.get(person)
        return known is not None and (began_at <= known.ended_until or session_id in known.sessions)

    def earliest(self, person: str) -> int:
        """The earliest time at which a new session of this person may begin without counting as ended."""
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
