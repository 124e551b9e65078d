"""Live accuracy in a backtest: the estimates that the console would have shown, beside the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from review.accuracy import AccuracyEstimate, SliceAccuracy
from review.settings import AccuracySettings
from watchloop.backtest.report import LivePoint, SliceReport

__all__ = ["LiveAccuracy"]


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """An event that a person will see, with what was known of it before the answer."""

    guess: float
    inclusion_probability: float
    slices: Mapping[str, str]


class LiveAccuracy:
    """Estimates over all events and in each slice. People's answers arrive later than the events they are about."""

    def __init__(self, settings: AccuracySettings, *, audit_rate: float) -> None:
        self._whole = AccuracyEstimate(settings, inclusion_probability_min=audit_rate)
        self._slices = SliceAccuracy(settings, inclusion_probability_min=audit_rate)
        self._slice_right: dict[str, int] = {}
        self._waiting: dict[str, Waiting] = {}
        self.points: list[LivePoint] = []

    def count(
        self,
        event_id: str,
        slices: Mapping[str, str],
        *,
        guess: float,
        inclusion_probability: float,
        seen: bool,
        right: bool,
    ) -> None:
        """Count an event.

        ``guess`` is the estimated chance that the model is right, ``seen`` whether a person will see the event.
        ``right`` (whether the model is right) counts for the truth of the slices alone, and for no estimate.
        """
        self._whole.update(guess, inclusion_probability, reviewed=seen)
        if slices:
            self._slices.update(slices, guess, inclusion_probability, reviewed=seen)
            self._count_truth(slices, right=right)
        if seen:
            self._waiting[event_id] = Waiting(guess, inclusion_probability, slices)

    def answered(self, event_id: str, *, correct: bool) -> None:
        """Count the answer of a person to an event that was counted as ``seen``."""
        event = self._waiting.pop(event_id)
        self._whole.answer(event.guess, event.inclusion_probability, correct=correct)
        if event.slices:
            self._slices.answer(event.slices, event.guess, event.inclusion_probability, correct=correct)

    def look(self, at: int, truth: float) -> None:
        """Add the present interval, if any, to ``points``, with the true accuracy of the first ``at`` events."""
        interval = self._whole.interval()
        if interval is not None:
            estimate, low, high = interval
            self.points.append(LivePoint(at=at, estimate=estimate, low=low, high=high, truth=truth))

    def slices(self) -> list[SliceReport]:
        """Every slice with its estimate and its truth."""
        reports = []
        for name, estimate in self._slices:
            if estimate.events == 0:
                continue
            middle, low, high = estimate.interval() or (None, None, None)
            truth = self._slice_right.get(name, 0) / estimate.events
            reports.append(
                SliceReport(slice=name, events=estimate.events, estimate=middle, low=low, high=high, truth=truth)
            )
        return reports

    def _count_truth(self, slices: Mapping[str, str], *, right: bool) -> None:
        if not right:
            return
        for column, value in slices.items():
            name = f"{column}={value}"
            if self._slices.of(name) is not None:
                self._slice_right[name] = self._slice_right.get(name, 0) + 1
