"""Blocks on their way out of INTAKE: measured for all models together, one message each."""

from __future__ import annotations

from typing import Final

from drift.blocks.block_structs import block_structs
from drift.blocks.measured import BlockEvents, measured
from drift.settings import DriftSettings
from schemas.codec import encode
from schemas.topics import BLOCKS
from schemas.wire.block import Block
from streams.blocks.fitted import fitted
from streams.produce.outbox import Sending

__all__ = ["BlockSender"]

SIGNAL_BYTES_MAX: Final = 4_000
"""JSON of one signal without names of categories: a name of 200 characters, ten figures, a hundred bins."""


class BlockSender:
    """Measures events and sends their blocks. No message has more than ``bytes_max`` bytes."""

    def __init__(self, settings: DriftSettings, bytes_max: int) -> None:
        self._settings = settings
        self._bytes_max = bytes_max

    def send(self, events: BlockEvents, outbox: Sending) -> None:
        """Send the blocks of events, each under its model."""
        for piece in measured(events, self._settings):
            for block in block_structs(piece):
                outbox.send(BLOCKS, block.model, self._fitted(block))

    def _fitted(self, block: Block) -> Block | bytes:
        """The block, as JSON without some of it where it may not fit into a message."""
        settings, signals = self._settings, len(block.numeric) + len(block.categorical)
        largest = settings.sample_bytes_max + settings.categories_bytes_max + (signals + 1) * SIGNAL_BYTES_MAX
        return block if largest <= self._bytes_max else fitted(block, encode, self._bytes_max)
