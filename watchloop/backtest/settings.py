"""Settings of a backtest."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["BacktestSettings"]


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recorded table is replayed and how fast its labels come back."""

    batch_events: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """Events decided together; what is learned from them serves from the next batch on. Under a budget of 10 % a batch
    brings five corrections, a fifth of what a learned model is refreshed after, so that a model waits little for it."""
    label_delay_events: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """Events between a prediction and the answer of its reviewer."""
    late_labels_events: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    """Events after which the true label of every prediction arrives, asked for or not; None: labels never come."""
    live_points_max: Annotated[int, Meta(ge=2, le=10_000)] = 150
    """Points of the live accuracy in the report, spread evenly."""
