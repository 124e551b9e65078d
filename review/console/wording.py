"""Times, numbers and terms as people read them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any, Final

from schemas.opinion import CANNOT_TELL, WITHDRAWN
from schemas.wire import Scalar

__all__ = ["FILTERS", "ago", "answer_text", "clock_time", "count", "number", "percent", "scalar", "until"]

LANES: Final = {
    "review": "Review",
    "escalate": "Escalated",
    "audit": "Audit sample",
    "alert": "Alerts",
}
LANE_MEANINGS: Final = {
    "review": "the model is least sure of these",
    "escalate": "a rule or a high risk sent these here",
    "audit": "drawn at random, to measure accuracy fairly",
    "alert": "the stream changed; somebody on call decides",
}
SIGNAL_KINDS: Final = {"confidence": "the model's confidence", "error": "the model's error rate"}
ANSWERS: Final = {CANNOT_TELL: "cannot tell", WITHDRAWN: "taken back"}
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def clock_time(epoch_ms: int) -> str:
    """``2026-03-01 14:05:09`` UTC; a dash for 0."""
    if epoch_ms <= 0:
        return "—"
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """The largest unit that fits, whole: ``3 min``."""
    whole = int(abs(seconds))
    for size, unit in UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return "0 s"


def ago(epoch_ms: int, now_ms: int) -> str:
    """How long ago; a time ahead counts as now."""
    seconds = (now_ms - epoch_ms) / 1000
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def until(epoch_ms: int, now_ms: int) -> str:
    """``in 3 min``, ``3 min overdue``, or a dash for 0."""
    if epoch_ms <= 0:
        return "—"
    seconds = (epoch_ms - now_ms) / 1000
    return f"{duration(seconds)} overdue" if seconds < 0 else f"in {duration(seconds)}"


def count(value: int | None) -> str:
    """``12,345``; a dash where it is not known."""
    return "—" if value is None else f"{value:,}"


def number(value: float | None) -> str:
    """Four significant digits, no exponent where it can be avoided; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "—"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:.4g}"


def percent(value: float | None) -> str:
    """``12.3 %``; a dash where it is not known."""
    return "—" if value is None else f"{100 * value:.1f} %"


def scalar(value: Scalar) -> str:
    """A feature's value."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, int | float) else value


def answer_text(answer: str) -> str:
    """An answer as a person reads it."""
    return ANSWERS.get(answer, answer)


def signal_text(signal: str) -> str:
    """``feature.x`` as a person reads it."""
    if signal.startswith("feature."):
        return f"feature {signal.removeprefix('feature.')}"
    return SIGNAL_KINDS.get(signal, signal)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "ago": ago,
    "answer_text": answer_text,
    "clock_time": clock_time,
    "count_text": count,
    "duration": duration,
    "lane_meaning": lambda lane: LANE_MEANINGS.get(lane, ""),
    "lane_name": lambda lane: LANES.get(lane, lane),
    "number": number,
    "percent": percent,
    "scalar": scalar,
    "signal_text": signal_text,
    "until": until,
}
