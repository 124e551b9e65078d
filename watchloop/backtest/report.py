"""BacktestReport: the results of a backtest, as the JSON that it writes."""

from __future__ import annotations

import msgspec

from schemas.wire.alert import Severity

__all__ = ["AlertFired", "BacktestReport", "GateChange", "GateHistory", "LivePoint", "SliceReport", "Stretch"]


class GateChange(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the gate about a version, after ``at`` replayed events."""

    at: int
    version: str
    reason: str


class GateHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Every decision of the gate; ``refreshed`` counts serving versions replaced by one that had learned more."""

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
    """The model's accuracy over the first ``at`` events: estimated from reviews, and from all labels (``truth``)."""

    at: int
    estimate: float
    low: float
    high: float
    truth: float


class SliceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The model's accuracy in one slice; the estimate is None where too few of its events were reviewed."""

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

    ``errors`` counts wrong answers of the production model, ``errors_caught`` those that people saw.
    ``errors_caught_by_confidence`` is the number that the same number of reviews would have caught if, with hindsight,
    they had gone to the least confident answers (at random among equally confident ones). ``accuracy_learned`` is
    prequential (Dawid 1984): the model that the gate has put in charge answers each event before its label may be used.
    ``accuracy_after_review`` counts what people saw as right, and the production model's answer elsewhere.
    ``accuracy_no_change`` is the accuracy of repeating the last label. ``slices_left_out`` counts slices without an
    estimate, because ``accuracy.slices_max`` others appeared before them.
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
