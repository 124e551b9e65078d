"""What the benchmarks share: a stream with the shape of a real one, and tables for the terminal and RESULTS.md."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from drift.blocks.block_structs import block_structs
from drift.blocks.measured import BlockEvents, measured
from drift.settings import DriftSettings
from drift.windows.reference import build_reference
from drift.windows.window import Window
from learning.learner import Learner
from learning.serving import ServingModel
from learning.settings import LearnSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import Scalar
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference

__all__ = ["FEATURES", "MODEL", "bytes_of", "machine", "predictions_of", "reference_of", "serving_of", "table"]

MODEL = "credit-scoring"
FEATURES = ("age", "amount", "balance", "channel", "duration", "income", "previous", "region")
CHANNELS = ("branch", "phone", "web", "app")
REGIONS = ("north", "south", "east", "west", "abroad")
LABELS = ("granted", "refused")
TEXT_EVERY_FOURTH = 3


def predictions_of(
    count: int, *, seed: int = 0, start_ms: int | None = None, features: int = len(FEATURES), models: int = 1
) -> list[Prediction]:
    """``count`` predictions a millisecond apart, of ``models`` models in turn at random.

    Each has six numbers and two texts, about 420 bytes as JSON; where more ``features`` are asked for, every fourth of
    the others is a text.
    """
    rng = np.random.default_rng(seed)
    numbers = np.column_stack(
        [
            rng.integers(18, 90, count).astype(np.float64),
            np.round(rng.lognormal(8.0, 1.0, count), 2),
            np.round(rng.normal(1_200.0, 900.0, count), 2),
            rng.integers(6, 72, count).astype(np.float64),
            np.round(rng.lognormal(7.5, 0.5, count), 2),
            np.round(rng.random(count), 6),
        ]
    ).tolist()
    channels, regions = rng.integers(0, len(CHANNELS), count).tolist(), rng.integers(0, len(REGIONS), count).tolist()
    confidences = np.round(rng.beta(6.0, 1.5, count), 6).clip(0.5, 1.0).tolist()
    answers = rng.integers(0, 2, count).tolist()
    more = _more_features(rng, count, features - len(FEATURES))
    names = [MODEL] if models == 1 else [f"{MODEL}-{number:02d}" for number in range(models)]
    asked = rng.integers(0, models, count).tolist()
    begin = int(time.time() * 1000) - count if start_ms is None else start_ms
    return [
        Prediction(
            event_id=f"{seed:04x}-{number:012d}",
            model=names[model],
            model_version="2026-11-02",
            time=begin + number,
            features={
                "age": row[0],
                "amount": row[1],
                "balance": row[2],
                "channel": CHANNELS[channel],
                "duration": row[3],
                "income": row[4],
                "previous": row[5],
                "region": REGIONS[region],
                **others,
            },
            prediction=LABELS[answer],
            confidence=confidence,
        )
        for number, (row, channel, region, confidence, answer, others, model) in enumerate(
            zip(numbers, channels, regions, confidences, answers, more, asked, strict=True)
        )
    ]


def _more_features(rng: np.random.Generator, count: int, features: int) -> list[dict[str, Scalar]]:
    """Features beyond the named ones, of each event."""
    names, columns = [], []
    for number in range(max(0, features)):
        names.append(f"extra_{number:03d}")
        if number % 4 == TEXT_EVERY_FOURTH:
            columns.append([REGIONS[region] for region in rng.integers(0, len(REGIONS), count).tolist()])
        else:
            columns.append(np.round(rng.lognormal(3.0, 1.0, count), 3).tolist())
    if not names:
        return [{} for _ in range(count)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def reference_of(events: Sequence[Prediction], settings: DriftSettings) -> Reference:
    """The reference that DRIFT would make of these events."""
    count = len(events)
    given = BlockEvents(
        PredictionColumns.of(events),
        partitions=np.zeros(count, np.int64),
        offsets=np.arange(count),
        decisions=np.zeros(count, np.int8),
        decision_names=("accept",),
        references=[None],
    )
    steps = [Window((block,)) for piece in measured(given, settings) for block in block_structs(piece)]
    return build_reference(steps, version="r1", created_at=0, reason="benchmark", settings=settings)


def serving_of(events: Sequence[Prediction], settings: LearnSettings) -> ServingModel:
    """A frozen copy of what a learner makes of these events, told a truth that depends on three features."""
    learner = Learner(MODEL, settings)
    for number, event in enumerate(events):
        amount, income = event.features["amount"], event.features["income"]
        assert isinstance(amount, float)
        assert isinstance(income, float)
        refused = amount > 1.5 * income or event.features["region"] == "abroad"
        assert event.confidence is not None
        assert isinstance(event.time, int)
        learner.learn(
            Correction(
                correction_id=f"c{number}",
                model=MODEL,
                event_id=event.event_id,
                time=event.time,
                created_at=event.time,
                label=LABELS[int(refused)],
                source="review",
                features=event.features,
                prediction=str(event.prediction),
                confidence=event.confidence,
                inclusion_probability=1.0 if number % 2 else settings.inclusion_probability_min,
            )
        )
    return learner.candidate()


def machine() -> str:
    """Where a figure was measured, in one line."""
    return (
        f"{os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d', time.gmtime())}"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    widths = [max(len(row[column]) for row in [columns, *rows]) for column in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = (
        "|"
        + "|".join("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths))
        + "|"
    )
    return "\n".join([line(columns), rule, *(line(row) for row in rows)])


def bytes_of(event: Prediction) -> int:
    """The size of an event on the wire."""
    return len(msgspec.json.encode(event))
