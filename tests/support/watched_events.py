"""A model's events measured in blocks and watched, as they are live, from no reference on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drift.monitor import AlertChanged, ModelMonitor
from drift.settings import DriftSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.alert import Alert
from schemas.wire.prediction import Prediction
from tests.support.made_blocks import build_blocks

__all__ = ["watched_events"]


def watched_events(
    events: Sequence[Prediction], settings: DriftSettings, *, read_at_once: int
) -> tuple[list[Alert], ModelMonitor]:
    """Every transition of every alert of the model "m", and who watched it; a block has ``read_at_once`` events."""
    monitor = ModelMonitor("m", settings)
    alerts: list[Alert] = []
    for first in range(0, len(events), read_at_once):
        part = events[first : first + read_at_once]
        blocks = build_blocks(
            PredictionColumns.of(part), partitions=[0] * len(part), offsets=range(first, first + len(part)),
            decisions=np.zeros(len(part), np.int8), decision_names=("accept",), reference=monitor.reference,
            settings=settings,
        )  # fmt: skip
        outcomes = [outcome for block in blocks for outcome in monitor.observe(block)]
        alerts += [outcome.alert for outcome in outcomes if isinstance(outcome, AlertChanged)]
    alerts += [outcome.alert for outcome in monitor.flush() if isinstance(outcome, AlertChanged)]
    return alerts, monitor
