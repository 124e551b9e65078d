"""Times that floats of few bits have rounded: epoch seconds in 32 bits are 128 seconds apart."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["rounded_step_ms"]

WHOLE_MAX: Final = {16: 2.0**11, 32: 2.0**24}
"""Bits of a float to the first whole number beside which it does not hold the next one."""

DISTINCT_MIN: Final = 20
"""With fewer times, it may be a chance that all are floats of 32 bits."""

LEAST_MS: Final = 1_000.0
MINUTE_MS, FIVE_MINUTES_MS = 60_000.0, 300_000.0

Floats = npt.NDArray[np.float64]


def rounded_step_ms(values: Floats, unit_ms: float, *, bits: int) -> float | None:
    """The step to which floats of 16 or 32 bits have rounded times of this unit, of 64 bits such as were 32 before.

    None where they have not: where some are no such floats, or where all are at whole minutes and few bits are enough.

    >>> seconds = 1_709_251_200.0 + 60.0 * np.arange(500)
    >>> rounded = seconds.astype(np.float32).astype(np.float64)
    >>> days = seconds[0] + 86_400.0 * np.arange(500)
    >>> [rounded_step_ms(values, 1_000.0, bits=64) for values in (seconds, rounded, days)]
    [None, 128000.0, None]
    """
    narrow = np.float16 if bits == 16 else np.float32
    largest = float(np.abs(values).max())
    if largest >= float(np.finfo(narrow).max):
        return None
    step_ms = float(np.spacing(narrow(largest))) * unit_ms
    if step_ms <= LEAST_MS or (values.astype(narrow) != values).any():
        return None
    if largest < WHOLE_MAX[16 if bits == 16 else 32]:
        return step_ms if bits < 64 and (values != np.floor(values)).any() else None
    if bits == 64 and len(np.unique(values)) < DISTINCT_MIN:
        return None
    grid = round((MINUTE_MS if unit_ms < MINUTE_MS else FIVE_MINUTES_MS) / unit_ms)
    is_exact = bits > 16 and grid > 0 and not np.fmod(values, grid).any()
    return None if is_exact else step_ms
