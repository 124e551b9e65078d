"""Label: ground truth that arrives late."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from schemas.wire.base import EpochMs, Id, Name, Wire

__all__ = ["Label"]


class Label(Wire, frozen=True, kw_only=True):
    """The true answer to one prediction.

    ``purpose`` says what it may be used for: ``learn`` makes a correction of it, ``score`` only stores it, so that
    accuracy can be quoted without the loop ever having seen the answer.
    """

    event_id: Id
    model: Id
    label: Name | int | bool
    time: Annotated[datetime, Meta(tz=True)] | EpochMs
    purpose: Literal["learn", "score"] = "learn"
    source: Name = ""
