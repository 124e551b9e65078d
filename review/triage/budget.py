"""The review budget: a purse that every event fills a little and every look of a person empties by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["ONE_REVIEW", "ReviewBudget"]

ONE_REVIEW: Final = 1_000_000
"""The purse counts millionths of a review in integers, so that it does not depend on how events are batched."""


class ReviewBudget:
    """A token bucket (RFC 2697 calls it a committed burst) over events instead of seconds.

    Every event adds ``share`` of a review. Up to ``carry_max`` unspent reviews are carried over, more lapse. Spending
    that cannot be refused (escalations, the audit sample) may overdraw the purse by ``debt_max``; beyond it the debt is
    forgiven and counted in ``forgiven``. Other reviews are granted only out of a purse that holds one. So after n
    events at most ``share * n + carry at the start + debt + forgiven`` reviews have been spent.

    >>> budget = ReviewBudget(0.5, carry_max=10, debt_max=10)
    >>> budget.spend(4, [1, 2], sure=[False, False], wanted=[True, True])
    [2]
    >>> budget.reviews
    1.0
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
        """Pay for a run of ``events`` events; returns those of ``indexes`` at which the purse held no review.

        ``indexes`` are ascending: the events that may cost a review. A ``sure`` event always costs one; another costs
        one if it is ``wanted`` and the purse holds one.
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
