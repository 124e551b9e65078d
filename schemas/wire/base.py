"""The base of everything that travels, and the constrained types that its fields use.

A field's type never changes once published; a new field has a default; unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "EPOCH_MS_MAX",
    "NAME_CHARS_MAX",
    "Count",
    "EpochMs",
    "Hash",
    "Id",
    "Name",
    "Probability",
    "Scalar",
    "Wire",
]

NAME_CHARS_MAX = 200
"""Characters of an Id and of a Name."""
EPOCH_MS_MAX = 253_402_300_799_999
"""The end of the year 9999."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An immutable value that travels as one JSON object.

    Subclasses repeat ``frozen`` and ``kw_only``: msgspec does not inherit the second, type checkers neither.
    """


Id = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
"""A non-empty identifier."""

Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
"""A short text, possibly empty."""

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]

EpochMs = Annotated[int, Meta(ge=0, le=EPOCH_MS_MAX)]
"""Milliseconds since 1970-01-01 UTC."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A whole number of counted things; the upper bound fits into 64 bits with a sign."""

Hash = Annotated[int, Meta(ge=0)]
"""An unsigned number of 64 bits."""

Scalar = float | int | str | bool | None
"""What a feature may be; JSON has no NaN and no infinity, so a float that was decoded is finite."""
