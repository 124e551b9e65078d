"""BacktestReport: what a backtest found, as the JSON that it writes."""

from __future__ import annotations

import msgspec

from schemas.wire.alert import Severity

__all__ = ["AlertFired", "BacktestReport", "GateChange", "GateHistory", "LivePoint", "SliceReport", "Stretch"]


class GateChange(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the gate after ``at`` replayed events, about a version."""

    at: int
    version: str
    reason: str


class GateHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Every decision of the gate; ``refreshed`` counts how often what served was replaced by what was learned since."""

    promoted: list[GateChange]
    refused: list[GateChange]
    rolled_back: list[GateChange]
    refreshed: int


class AlertFired(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that fired after ``at`` replayed events."""

    at: int
    signal: str
    detector: str
    severity: Severity


class LivePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The model's accuracy over the first ``at`` events: estimated from reviews, and by all labels (``truth``)."""

    at: int
    estimate: float
    low: float
    high: float
    truth: float


class SliceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The model's accuracy in one slice; no estimate where too few of its events were reviewed."""

    slice: str
    events: int
    estimate: float | None
    low: float | None
    high: float | None
    truth: float


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracies over the events of one stretch, which ends after ``at`` replayed events."""

    at: int
    model: float
    learned: float
    after_review: float


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a review budget would have bought. ``at`` counts replayed events from 0; shares are from 0 to 1.

    ``errors`` are wrong answers of the production model, ``errors_caught`` those of them that people saw;
    ``errors_caught_by_confidence`` is how many as many reviews would have caught if, with hindsight, they had gone to
    the least confident answers, at random among those that are equally confident. ``accuracy_learned`` is prequential
    (Dawid 1984): each event is answered, before its label may be used, by whichever model the gate has put in charge.
    ``accuracy_after_review`` takes what people saw for settled, and production's answer elsewhere.
    ``accuracy_no_change`` is that of repeating the label before. ``slices_left_out`` is how many slices have no
    estimate, because ``accuracy.slices_max`` others came before them.
    """

    events: int
    errors: int
    reviewed: int
    review_rate: float
    errors_caught: int
    accuracy_model: float
    accuracy_after_review: float
    accuracy_learned: float
    gate: GateHistory
    alerts: list[AlertFired]
    live_accuracy: list[LivePoint]
    slices: list[SliceReport]
    seconds: float
    accuracy_no_change: float | None
    errors_caught_by_confidence: int
    stretches: list[Stretch]
    slices_left_out: int
