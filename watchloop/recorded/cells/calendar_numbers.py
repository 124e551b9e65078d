"""Dates that are written as numbers of their digits: 20261001, and 20261001083000."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["calendar_form"]

FORMS: Final = ((10**4, "%Y%m%d", "YYYYMMDD"), (10**10, "%Y%m%d%H%M%S", "YYYYMMDDHHMMSS"))
"""What follows the year, the form, and how people call it."""

YEAR_MIN, YEAR_END = 1970, 2100
SHARE_MIN: Final = 0.5
"""With fewer, it is chance that some numbers look like dates."""


def calendar_form(values: npt.NDArray[np.float64]) -> str | None:
    """The form of the dates whose digits most of these numbers are; None where they are none.

    >>> calendar_form(np.array([20261001.0, 20261301.0, 20261002.0])), calendar_form(np.array([1.0, 2.0]))
    ('YYYYMMDD', None)
    """
    for rest, form, words in FORMS:
        whole = values[(values >= YEAR_MIN * rest) & (values < YEAR_END * rest) & (values == np.floor(values))]
        texts = pa.array(whole.astype(np.int64)).cast(pa.string())
        found = pc.strptime(texts, format=form, unit="s", error_is_null=True)
        if len(found) - found.null_count > SHARE_MIN * len(values):
            return words
    return None
