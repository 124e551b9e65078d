"""Streams and blocks for the drift tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from drift.settings import DriftSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference
from tests.support.made_blocks import build_blocks

Stream = Callable[..., list[Prediction]]
Blocks = Callable[..., list[Block]]


@pytest.fixture
def stream() -> Stream:
    """Predictions a second apart: normal ``x`` moves by ``shift`` at ``change_at``, ``y`` is steady."""

    def make(
        count: int, *, shift: float = 0.0, change_at: int = 0, change_end: int | None = None, seed: int = 0,
        time_step: int = 1000,
    ) -> list[Prediction]:  # fmt: skip
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=count), rng.normal(size=count)
        x[change_at : change_end or count] += shift
        confidence = rng.uniform(0.6, 1.0, count)
        labels = np.where(rng.random(count) < 0.3, "up", "down")
        return [
            Prediction(
                event_id=f"e{index}",
                model="m",
                time=1_700_000_000_000 + index * time_step,
                features={"x": float(x[index]), "y": float(y[index]), "kind": "ab"[index % 2]},
                prediction=str(labels[index]),
                confidence=float(confidence[index]),
            )
            for index in range(count)
        ]

    return make


@pytest.fixture
def blocks_of() -> Blocks:
    """Blocks of a stream dealt to partitions in turn, in the order in which the partitions fill them."""

    def make(
        events: Sequence[Prediction],
        *,
        partitions: int = 1,
        reference: Reference | None = None,
        settings: DriftSettings | None = None,
    ) -> list[Block]:
        chosen = settings or DriftSettings()
        made: list[Block] = []
        for partition in range(partitions):
            part = list(events[partition::partitions])
            made += build_blocks(
                PredictionColumns.of(part),
                partitions=[partition] * len(part),
                offsets=range(len(part)),
                decisions=np.zeros(len(part), np.int8),
                decision_names=("accept",),
                reference=reference,
                settings=chosen,
            )
        return sorted(made, key=lambda block: (block.last_offset, block.partition))

    return make
