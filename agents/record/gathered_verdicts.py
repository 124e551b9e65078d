"""Verdicts of several messages on the way into one insert, whichever encoding each message has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.columns.read_verdicts import VerdictRows
from schemas.columns.verdict_columns import batch_of_verdicts
from schemas.wire.verdict import Verdict
from warehouse.store.arrow_columns import Identities, verdict_columns
from warehouse.store.inserts import ColumnInsert

__all__ = ["GatheredVerdicts"]

Ints = npt.NDArray[np.int64]


class GatheredVerdicts:
    """Takes the verdicts of messages of one partition, in order of offset, and makes columns of all.

    Structs of messages that follow one another become columns together.
    """

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._structs: list[Verdict] = []
        self._offsets: list[Ints] = []
        self._indexes: list[Ints] = []

    def add_structs(self, offset: int, verdicts: Sequence[Verdict], indexes: Sequence[int]) -> None:
        """Take the verdicts of a JSON message, and the index of each in it."""
        self._structs += verdicts
        self._place(offset, np.asarray(indexes, np.int64))

    def add_rows(self, offset: int, rows: VerdictRows) -> None:
        """Take the rows of an Arrow message."""
        self._end_structs()
        if len(rows.batch):
            self._batches.append(rows.batch)
        self._place(offset, rows.indexes)

    def insert(self, topic_id: str, partition: int) -> ColumnInsert | None:
        """The rows of all messages; None where there are none."""
        self._end_structs()
        if not self._batches:
            return None
        identities = Identities(topic_id, partition, np.concatenate(self._offsets), np.concatenate(self._indexes))
        return ColumnInsert(verdict_columns(self._batches, identities))

    def _place(self, offset: int, indexes: Ints) -> None:
        self._indexes.append(indexes)
        self._offsets.append(np.full(len(indexes), offset, np.int64))

    def _end_structs(self) -> None:
        if self._structs:
            self._batches.append(batch_of_verdicts(self._structs))
            self._structs = []
