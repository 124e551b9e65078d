"""Checks of a prediction beyond its types: its time, its labels, and integers that are too long.

Producers make the same checks before they send. This module does not import numpy, so that they start quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.texts.labels import are_valid_labels
from schemas.wire.prediction import Prediction, epoch_ms, label_text, problem_of

__all__ = [
    "TIMES_USUAL_BEGIN",
    "may_hold_many_digits",
    "problem_in_meaning",
    "time_problem",
    "unit_of_time",
    "unwieldy_problem",
    "usual_times",
]

DIGITS_MAX: Final = 200
"""Digits of an integer. A label has as many characters at most, and a feature must fit into a double."""

SECONDS_BEGIN: Final = 1_000_000_000
TIMES_USUAL_BEGIN: Final = 10_000_000_000
"""Epoch milliseconds. An earlier time needs a closer look: between these two numbers lie today's times in seconds."""

UNITS: Final = (
    ("seconds", 1e9, 1e10),
    ("microseconds", 1e14, 1e17),
    ("nanoseconds", 1e17, 1e20),
)
"""The range of the times of our days, counted from 1970 in each unit."""

DIGITS_STRIDE: Final = 20
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS: Final = b"0" * (DIGITS_MAX // DIGITS_STRIDE)
_INTEGER_MAX: Final = 10 ** (DIGITS_MAX - 1)


def usual_times(events: Sequence[Prediction], latest_ms: int) -> list[int] | None:
    """The times of events, in epoch milliseconds, after a quick check; None if an event may have a problem."""
    times_ms = [event.time if type(event.time) is int else epoch_ms(event.time) for event in events]
    if not times_ms or min(times_ms) < TIMES_USUAL_BEGIN or max(times_ms) > latest_ms:
        return None
    if not are_valid_labels({label_text(event.prediction) for event in events}):
        return None
    odd = [event for event in events if event.confidence is None or event.probabilities is not None]
    return None if any(map(problem_of, odd)) else times_ms


def problem_in_meaning(event: Prediction, latest_ms: int) -> str | None:
    """What is wrong with a prediction that was decoded, and where; None if nothing is."""
    problem = problem_of(event)
    if problem is not None:
        return problem
    wrong = time_problem(epoch_ms(event.time), latest_ms)
    return wrong and f"{wrong}; expected when the model was asked, RFC 3339 or epoch milliseconds - at `$.time`"


def time_problem(time_ms: int, latest_ms: int | None = None) -> str | None:
    """What is wrong with a time, or looks like a mistake; None if nothing does. Times are epoch milliseconds.

    >>> time_problem(1_790_000_000)
    '1790000000 milliseconds are a day in early 1970, and look like seconds'
    >>> time_problem(0)
    '0 is the first moment of 1970, and looks like a time that was not set'
    """
    if time_ms < 0:
        return f"{time_ms} lies before 1970"
    if time_ms == 0:
        return "0 is the first moment of 1970, and looks like a time that was not set"
    if SECONDS_BEGIN <= time_ms < TIMES_USUAL_BEGIN:
        return f"{time_ms} milliseconds are a day in early 1970, and look like seconds"
    if latest_ms is not None and time_ms > latest_ms:
        hours = (time_ms - latest_ms) / 3_600_000
        return f"{time_ms} lies too far in the future, {hours:,.1f} h beyond what is taken now{_unit_hint(time_ms)}"
    return None


def unit_of_time(number: float) -> str | None:
    """The unit of a number that looks like a time of our days, but not in milliseconds; None for other numbers.

    >>> [unit_of_time(1.79 * 10**power) for power in (9, 12, 15, 18)]
    ['seconds', None, 'microseconds', 'nanoseconds']
    """
    for unit, begin, end in UNITS:
        if begin <= number < end:
            return unit
    return None


def _unit_hint(time_ms: int) -> str:
    unit = unit_of_time(time_ms)
    return f", and looks like {unit}" if unit else ""


def may_hold_many_digits(data: bytes) -> bool:
    """Whether the bytes may hold an integer of ``DIGITS_MAX`` digits or more; False only if they do not.

    Looking at every twentieth byte is enough for that.

    >>> may_hold_many_digits(b"1" * 200), may_hold_many_digits(b"1" * 50)
    (True, False)
    """
    return _MANY_DIGITS in data[::DIGITS_STRIDE].translate(_DIGITS_ALIKE)


def unwieldy_problem(event: Prediction) -> str | None:
    """What is wrong with an integer that is too long for a double; None if there is no such integer."""
    for name, value in (("prediction", event.prediction), *((f"features.{n}", v) for n, v in event.features.items())):
        if isinstance(value, int) and abs(value) >= _INTEGER_MAX:
            return f"an integer of {DIGITS_MAX} digits or more; expected fewer - at `$.{name}`"
    return None
