"""Live accuracy during a backtest: the estimates that the loop would have shown, beside the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from review.accuracy import AccuracyEstimate, SliceAccuracy
from review.settings import AccuracySettings
from watchloop.backtest.report import LivePoint, SliceReport

__all__ = ["LiveAccuracy"]


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """An event that a person sees, and what was fixed about it before."""

    guess: float
    inclusion_probability: float
    slices: Mapping[str, str]


class LiveAccuracy:
    """Estimates over all events and in each slice; the answers of people come later than the events."""

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
        """Count an event. ``right`` enters the slices' truth alone, no estimate."""
        self._whole.update(guess, inclusion_probability, reviewed=seen)
        if slices:
            self._slices.update(slices, guess, inclusion_probability, reviewed=seen)
            self._count_truth(slices, right=right)
        if seen:
            self._waiting[event_id] = Waiting(guess, inclusion_probability, slices)

    def answered(self, event_id: str, *, correct: bool) -> None:
        """A person said whether the model was right."""
        found = self._waiting.pop(event_id)
        self._whole.answer(found.guess, found.inclusion_probability, correct=correct)
        if found.slices:
            self._slices.answer(found.slices, found.guess, found.inclusion_probability, correct=correct)

    def look(self, at: int, truth: float) -> None:
        """Remember the interval as it is now, if there is one yet."""
        interval = self._whole.interval()
        if interval is not None:
            estimate, low, high = interval
            self.points.append(LivePoint(at=at, estimate=estimate, low=low, high=high, truth=truth))

    def slices(self) -> list[SliceReport]:
        """Every slice with its estimate and its truth, by name."""
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
