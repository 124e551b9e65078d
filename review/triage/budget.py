"""The review budget: a purse that every event fills a little and every look of a person empties by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["ONE_REVIEW", "ReviewBudget"]

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

    def spend(self, events: int, indexes: Sequence[int], sure: Iterable[bool], wanted: Iterable[bool]) -> list[int]:
        """Lets ``events`` events pass and says at which of ``indexes`` the purse held no review.

        ``indexes`` are ascending positions of the events that may cost something. Those that are ``sure`` always cost a
        review; of the others ``wanted`` says whether they cost one when the purse holds one.
        """
        purse, income, carry_max = self.purse, self._income, self._carry_max
        last, refused = -1, []
        for index, is_sure, is_wanted in zip(indexes, sure, wanted, strict=False):
            purse += income * (index - last)
            last = index
            if purse > carry_max:
                purse = carry_max
            if purse < ONE_REVIEW:
                refused.append(index)
                if not is_sure:
                    continue
            elif not (is_wanted or is_sure):
                continue
            purse -= ONE_REVIEW
            if purse < -self._debt_max:
                self.forgiven += 1
                purse += ONE_REVIEW
        self.purse = min(carry_max, purse + income * (events - 1 - last))
        return refused
