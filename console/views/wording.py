"""Times, numbers and terms in the form in which people read them. Times are epoch milliseconds."""

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
SIGNALS: Final = {"confidence": "the model's confidence", "error": "the model's error rate"}
ANSWERS: Final = {CANNOT_TELL: "cannot tell", WITHDRAWN: "taken back"}
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


PLAIN_MIN: Final = 1e-6
PLAIN_MAX: Final = 1e21
WHOLE_MAX: Final = 1e15
DIGITS_USUAL: Final = 4
DIGITS_MAX: Final = 15
LEAST_SHARE: Final = 0.0005


def clock_time(epoch_ms: int) -> str:
    """A time in UTC; a dash for 0.

    >>> clock_time(1_772_373_909_000), clock_time(0)
    ('2026-03-01 14:05:09', '—')
    """
    if epoch_ms <= 0:
        return "—"
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A duration in whole units of the largest one that fits.

    >>> duration(200), duration(0.4)
    ('3 min', '0 s')
    """
    whole = int(abs(seconds))
    for size, unit in UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return "0 s"


def ago(epoch_ms: int, now_ms: int) -> str:
    """How long ago a time was; a time in the future counts as now.

    >>> ago(0, 7_200_000), ago(0, 900)
    ('2 h ago', 'just now')
    """
    seconds = (now_ms - epoch_ms) / 1000
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def until(epoch_ms: int, now_ms: int) -> str:
    """How far ahead a due time is, or how long overdue; a dash for 0.

    >>> until(200_000, 20_000), until(20_000, 200_000), until(0, 0)
    ('in 3 min', '3 min overdue', '—')
    """
    if epoch_ms <= 0:
        return "—"
    seconds = (epoch_ms - now_ms) / 1000
    return f"{duration(seconds)} overdue" if seconds < 0 else f"in {duration(seconds)}"


def count(value: int | None) -> str:
    """A count with its thousands grouped; a dash if it is unknown.

    >>> count(12345), count(None)
    ('12,345', '—')
    """
    return "—" if value is None else f"{value:,}"


def exact(value: float) -> str:
    """A number as it was sent, in the fewest digits that identify it.

    Its digits are not grouped, because it may be a year, a postal code or an id. Exponents are used as in ECMAScript
    (Number::toString): from 1e21 on, and below 1e-6.

    >>> exact(12284.33), exact(1875924584784080993), exact(1e-300)
    ('12284.33', '1875924584784080993', '1e-300')
    """
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    if "e" in text and PLAIN_MIN <= abs(value) < PLAIN_MAX:
        text = f"{decimal.Decimal(text):f}"
    return text.removesuffix(".0")


def number(value: float | None) -> str:
    """A statistic with four significant digits, or with two decimals from a thousand on; a dash if it is unknown.

    >>> number(0.123456), number(12284.336), number(None)
    ('0.1235', '12284.34', '—')
    """
    if value is None or not math.isfinite(value):
        return "—"
    return exact(float(f"{value:.2f}" if 1_000 <= abs(value) < WHOLE_MAX else f"{value:.4g}"))


def span(low: float, high: float) -> str:
    """Both ends of a range, with so many digits that they differ; if they are equal, with all digits.

    >>> span(9007199254740000, 9007199254753460), span(1e9 + 0.25, 1e9 + 0.75), span(0.1, 0.5)
    ('9007199254740000 – 9007199254753460', '1000000000.25 – 1000000000.75', '0.1 – 0.5')
    """
    return f"{beside(low, high)} – {beside(high, low)}"


def beside(value: float | None, other: float | None) -> str:
    """A statistic that is read beside another one: like ``number``, with more digits if both would look the same.

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
    """A share in [0, 1] in percent, never rounded to 0 % or 100 %; a dash if it is unknown.

    >>> percent(0.1234), percent(0.00001), percent(0.99999), percent(None)
    ('12.3 %', '< 0.1 %', '> 99.9 %', '—')
    """
    if value is None:
        return "—"
    if 0 < value < LEAST_SHARE:
        return "< 0.1 %"
    if 1 - LEAST_SHARE < value < 1:
        return "> 99.9 %"
    return f"{100 * value:.1f} %"


def scalar(value: Scalar) -> str:
    """The value of a feature as a reviewer reads it: a number with all digits, ``missing`` for null.

    >>> scalar(0.1), scalar(True), scalar(None)
    ('0.1', 'true', 'missing')
    """
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return exact(value) if isinstance(value, int | float) else value


def answer_text(answer: str) -> str:
    """An answer in words: those that are no label of the model have words of their own."""
    return ANSWERS.get(answer, answer)


def signal_text(signal: str) -> str:
    """The name of a signal in words.

    >>> signal_text("feature.age"), signal_text("error")
    ('feature age', "the model's error rate")
    """
    if signal.startswith("feature."):
        return f"feature {signal.removeprefix('feature.')}"
    return SIGNALS.get(signal, signal)


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
