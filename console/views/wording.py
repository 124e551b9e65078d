"""Times, numbers and terms as people read them."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Callable
from typing import Any, Final

from schemas.wire.base import Scalar
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN

__all__ = [
    "FILTERS",
    "ago",
    "answer_text",
    "beside",
    "clock_time",
    "count",
    "exact",
    "number",
    "percent",
    "scalar",
    "span",
    "until",
]

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


PLAIN_MIN: Final = 1e-6
PLAIN_MAX: Final = 1e21
WHOLE_MAX: Final = 1e15
DIGITS_USUAL: Final = 4
DIGITS_MAX: Final = 15
LEAST_SHARE: Final = 0.0005


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


def exact(value: float) -> str:
    """A number as it was sent, in the fewest digits that say which: ``12284.33``, ``1875924584784080993``, ``1e-300``.

    Nothing groups its digits: it may be a year, a postal code or an id. Exponents begin where those of ECMAScript do
    (Number::toString): at 1e21, and below 1e-6.
    """
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    if "e" in text and PLAIN_MIN <= abs(value) < PLAIN_MAX:
        text = f"{decimal.Decimal(text):f}"
    return text.removesuffix(".0")


def number(value: float | None) -> str:
    """A statistic: four significant digits, two after the point from a thousand on; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "—"
    return exact(float(f"{value:.2f}" if 1_000 <= abs(value) < WHOLE_MAX else f"{value:.4g}"))


def span(low: float, high: float) -> str:
    """Two ends of a range, in so many digits that the distance between them shows; one value twice is exact.

    >>> span(9007199254740000, 9007199254753460), span(1e9 + 0.25, 1e9 + 0.75), span(0.1, 0.5)
    ('9007199254740000 – 9007199254753460', '1000000000.25 – 1000000000.75', '0.1 – 0.5')
    """
    return f"{beside(low, high)} – {beside(high, low)}"


def beside(value: float | None, other: float | None) -> str:
    """A statistic beside another one: ``number``, with more digits where the difference would be lost in it.

    >>> beside(293.154, 293.149), beside(0.25, 3.0)
    ('293.154', '0.25')
    """
    if value is None or other is None or not math.isfinite(value - other):
        return number(value)
    if value == other:
        return exact(float(f"{value:.{DIGITS_MAX}g}") if abs(value) < WHOLE_MAX else value)
    digits = math.floor(math.log10(max(abs(value), abs(other)))) - math.floor(math.log10(abs(value - other))) + 3
    if digits <= DIGITS_USUAL:
        return number(value)
    return exact(value) if digits > DIGITS_MAX or abs(value) >= WHOLE_MAX else exact(float(f"{value:.{digits}g}"))


def percent(value: float | None) -> str:
    """``12.3 %``, and nothing that is rounded to all or to none; a dash where it is not known."""
    if value is None:
        return "—"
    if 0 < value < LEAST_SHARE:
        return "< 0.1 %"
    if 1 - LEAST_SHARE < value < 1:
        return "> 99.9 %"
    return f"{100 * value:.1f} %"


def scalar(value: Scalar) -> str:
    """A feature's value as a reviewer reads it: all digits of a number, ``missing`` for null."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return exact(value) if isinstance(value, int | float) else value


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
