"""Blocks leave INTAKE measured together, and are what each model alone would have."""

from __future__ import annotations

import dataclasses

import numpy as np

from agents.intake.block_sender import BlockSender
from drift.blocks.measured import BlockEvents
from drift.settings import DriftSettings
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import BLOCKS
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from tests.support.made_blocks import comparable
from tests.support.plain_record import CollectingOutbox

SETTINGS = DriftSettings(block_events_max=5)


def events_of(models: int, size: int, first: int = 0) -> BlockEvents:
    """So many events of each model, in turn on two partitions."""
    events = [
        Prediction(
            event_id=f"{model}-{number}", model=f"m{model}", time=1_000 + number, prediction="ab"[number % 2],
            confidence=0.5,
            features={"x": number / 7, "n": number, "plan": f"p{number % 3}", "gap": None if number % 4 else 1.5},
        )
        for model in range(first, first + models)
        for number in range(size)
    ]  # fmt: skip
    columns = dataclasses.replace(
        PredictionColumns.of(events),
        models=tuple(f"m{model}" for model in range(first, first + models)),
        bounds=np.arange(models + 1) * size,
    )
    half = np.repeat([0, 1], [size // 2, size - size // 2])
    return BlockEvents(
        columns, np.tile(half, models), np.tile(np.arange(size), models), np.zeros(models * size, np.int8), ("accept",),
        [None] * models,
    )  # fmt: skip


def sent(given: BlockEvents, bytes_max: int = 1_000_000) -> list[Block]:
    outbox = CollectingOutbox()
    BlockSender(SETTINGS, bytes_max).send(given, outbox)
    blocks = [block for block in outbox.of(BLOCKS) if isinstance(block, Block)]
    assert [key for _, key, _ in outbox.sent] == [block.model for block in blocks]
    return blocks


def test_blocks_of_many_models_together_are_those_of_each_alone() -> None:
    """To the last bit, model after model, each under its own key."""
    together = sent(events_of(40, 20))
    alone = [block for number in range(40) for block in sent(events_of(1, 20, number))]
    assert list(map(comparable, together)) == list(map(comparable, alone))
    assert len(together) == 40 * 4


def test_a_block_fits_into_a_message() -> None:
    """Also as JSON: rows of the sample are left out."""
    events = events_of(1, 5)
    large = dataclasses.replace(events.events, labels=events.events.labels.renamed(["a" * 200, "b" * 200]))
    blocks = sent(events._replace(events=large), bytes_max=2_300)
    assert all(len(encode(block)) <= 2_300 for block in blocks)
    assert [(block.events, len(block.sample)) for block in blocks] == [(2, 2), (3, 1)]
