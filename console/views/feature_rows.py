"""The features of a task beside their normal ranges, ready to be drawn."""

from __future__ import annotations

from typing import Literal

import msgspec

from console.desk.feature_ranges import CategoryRange, NumericRange, Ranges
from console.views.wording import percent, scalar, span
from schemas.wire.base import Scalar

__all__ = ["FeatureRow", "Strip", "rows_of"]

Strangeness = Literal["usual", "unusual", "outside", "unknown"]
"""``usual``: from p05 to p95 of the reference; ``unusual``: from p01 to p99; ``outside``: beyond these; ``unknown``:
there is no range to compare with."""

LEFT, RIGHT, WIDTH = 12.0, 88.0, 100.0
EDGE = 4.0
RARE_SHARE = 0.01
STRANGEST_FIRST: dict[Strangeness, int] = {"outside": 0, "unusual": 1, "usual": 2, "unknown": 2}


class Strip(msgspec.Struct, frozen=True):
    """Horizontal positions on a strip that is 100 wide, with p01 at 12 and p99 at 88."""

    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    value: float


class FeatureRow(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: its value and normal range as text, how strange it is, also in words, and a strip if numeric."""

    name: str
    value: str
    usual: str
    strangeness: Strangeness
    words: str
    strip: Strip | None = None


def rows_of(features: dict[str, Scalar], ranges: Ranges) -> list[FeatureRow]:
    """A row for each feature, the strangest first, and otherwise in the producer's order."""
    rows = [row_of(name, value, ranges) for name, value in features.items()]
    return sorted(rows, key=lambda row: STRANGEST_FIRST[row.strangeness])


def row_of(name: str, value: Scalar, ranges: Ranges) -> FeatureRow:
    """The row of one feature, by its value and the range that the reference has for it."""
    numeric, categorical = ranges.numeric.get(name), ranges.categorical.get(name)
    if numeric is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return numeric_row(name, value, numeric)
    if categorical is not None and value is not None:
        return categorical_row(name, scalar(value), categorical, raw=value)
    known = numeric is not None or categorical is not None
    words = (
        "missing here" if value is None else "another kind of value than in the reference" if known else "no reference"
    )
    strangeness: Strangeness = "unusual" if known else "unknown"
    usual = span(numeric.p05, numeric.p95) if numeric else "—"
    return FeatureRow(name=name, value=scalar(value), usual=usual, strangeness=strangeness, words=words)


def numeric_row(name: str, value: float, usual: NumericRange) -> FeatureRow:
    """The row of a number, compared with the quantiles of the reference."""
    strangeness, words = numeric_strangeness(value, usual)
    return FeatureRow(
        name=name,
        value=scalar(value),
        usual=span(usual.p05, usual.p95),
        strangeness=strangeness,
        words=words,
        strip=Strip(*(at(point, usual) for point in (usual.p05, usual.p25, usual.p50, usual.p75, usual.p95, value))),
    )


def numeric_strangeness(value: float, usual: NumericRange) -> tuple[Strangeness, str]:
    """How strange a number is, and the same in words."""
    if value < usual.p01:
        return "outside", "lower than 99 % of the reference"
    if value > usual.p99:
        return "outside", "higher than 99 % of the reference"
    if value < usual.p05:
        return "unusual", "lower than 95 % of the reference"
    if value > usual.p95:
        return "unusual", "higher than 95 % of the reference"
    return "usual", "usual"


def at(value: float, usual: NumericRange) -> float:
    """The horizontal position of a value on the strip; a value far outside is drawn at its edge."""
    spread = usual.p99 - usual.p01
    if spread <= 0:
        return WIDTH / 2 if value == usual.p01 else EDGE if value < usual.p01 else WIDTH - EDGE
    position = LEFT + (RIGHT - LEFT) * (value - usual.p01) / spread
    return round(min(max(position, EDGE), WIDTH - EDGE), 2)


def categorical_row(name: str, text: str, usual: CategoryRange, *, raw: Scalar) -> FeatureRow:
    """The row of a category, compared with the shares of the reference."""
    share = usual.shares.get(str(raw), usual.shares.get(text))
    common = ", ".join(list(usual.shares)[:3]) or "—"
    strangeness: Strangeness
    if share is not None:
        strangeness, words = ("unusual" if share < RARE_SHARE else "usual"), f"{percent(share)} of the reference"
    elif usual.other_share > 0:
        strangeness, words = "unusual", "rare in the reference"
    else:
        strangeness, words = "outside", "never seen in the reference"
    return FeatureRow(name=name, value=text, usual=common, strangeness=strangeness, words=words)
