"""The review budget: a purse that every event fills a little and every look of a person empties by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["ReviewBudget"]

ONE_REVIEW: Final = 1_000_000
"""The purse counts millionths of a review in integers, so any batching of the same events leaves the same purse."""


class ReviewBudget:
    """A token bucket (RFC 2697 calls it a committed burst) over events instead of seconds.

    Every event adds ``share`` of a review. Up to ``carry_max`` unspent reviews are carried over, more lapse. Spending
    that cannot be refused (escalations, the audit sample) may overdraw the purse by ``debt_max``; beyond it the debt is
    forgiven and counted in ``forgiven``. So after n events at most ``share * n + carry at the start + debt + forgiven``
    reviews have been spent, and reviews that may be refused are granted only out of a purse that holds one.
    """

    def __init__(self, share: float, carry_max: int, debt_max: int) -> None:
        self._income = round(share * ONE_REVIEW)
        self._carry_max = carry_max * ONE_REVIEW
        self._debt_max = debt_max * ONE_REVIEW
        self.purse = 0
        self.forgiven = 0

    @property
    def reviews(self) -> float:
        """What the purse holds, in reviews; negative when overdrawn."""
        return self.purse / ONE_REVIEW

    def spend(
        self, events: int, places: Sequence[int], forced: Sequence[bool], wanted: Sequence[bool], spare: Sequence[bool]
    ) -> list[bool]:
        """Lets ``events`` events pass and says for each of ``places`` whether the purse held a review then.

        ``places`` are ascending positions of the events that may cost something. A forced one always costs a review;
        of the others ``wanted`` says whether it costs one when the purse holds one, ``spare`` whether it does when not.
        """
        purse, last, held = self.purse, -1, []
        for place, is_forced, if_held, if_not in zip(places, forced, wanted, spare, strict=True):
            purse = min(self._carry_max, purse + self._income * (place - last))
            last = place
            holds = purse >= ONE_REVIEW
            held.append(holds)
            if is_forced or (if_held if holds else if_not):
                purse -= ONE_REVIEW
                if purse < -self._debt_max:
                    self.forgiven += 1
                    purse += ONE_REVIEW
        self.purse = min(self._carry_max, purse + self._income * (events - 1 - last))
        return held
