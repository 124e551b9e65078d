"""Plain acceptances that no producer asked for: gathered over the models of a batch, sent to the warehouse as Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

import numpy as np

from schemas.columns.coded import Coded
from schemas.topics import VERDICTS_ACCEPTED
from streams.produce.outbox import Sending

__all__ = ["AcceptedVerdicts"]

VERDICTS_PER_MESSAGE: Final = 10_000
"""As many as a stream may have: what a message costs is shared by many, and nobody waits for a part of it."""


class _Piece(NamedTuple):
    """Verdicts of one model: fields that are the same in all, and columns."""

    size: int
    constant: Mapping[str, Any]
    columns: Mapping[str, Any]

    def column(self, name: str, default: Any) -> Any:
        """A column of the piece: texts that are the same in all as codes, numbers as an array."""
        if name in self.columns:
            return self.columns[name]
        value = self.constant.get(name, default)
        if isinstance(value, str | tuple):
            return Coded(np.zeros(self.size, np.int32), [value])
        return np.full(self.size, np.nan if value is None else value)


class AcceptedVerdicts:
    """Gathers verdicts, and sends them once there are enough for a message, and at the end of the batch.

    A message may have verdicts of several models; its key is the model of its first. It has at most ``bytes_max``
    bytes.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._pieces: list[_Piece] = []
        self._count = 0

    def clear(self) -> None:
        """Forget what was not sent: its batch is not committed."""
        self._pieces, self._count = [], 0

    def add(self, count: int, constant: Mapping[str, Any], columns: Mapping[str, Any], outbox: Sending) -> None:
        """Take ``count`` verdicts of one model, as ``verdict_batch`` takes them."""
        if count:
            self._pieces.append(_Piece(count, constant, columns))
            self._count += count
        if self._count >= VERDICTS_PER_MESSAGE:
            self.send(outbox)

    def send(self, outbox: Sending) -> None:
        """Send what was gathered."""
        if not self._pieces:
            return
        from schemas.columns.verdict_columns import verdict_batch, verdict_streams  # slow to import, not always needed

        first = self._pieces[0]
        constant, columns = (first.constant, first.columns) if len(self._pieces) == 1 else ({}, _joined(self._pieces))
        batch = verdict_batch(self._count, constant=constant, columns=columns)
        self.clear()
        for data in verdict_streams(batch, rows_max=VERDICTS_PER_MESSAGE, bytes_max=self._bytes_max):
            outbox.send(VERDICTS_ACCEPTED, first.constant["model"], data)


def _joined(pieces: Sequence[_Piece]) -> dict[str, Any]:
    """The columns of all pieces, one piece after the other."""
    from schemas.columns.verdict_columns import DEFAULTS

    names = dict.fromkeys(chain.from_iterable((*piece.constant, *piece.columns) for piece in pieces))
    return {name: _joined_column([piece.column(name, DEFAULTS.get(name)) for piece in pieces]) for name in names}


def _joined_column(pieces: Sequence[Any]) -> Any:
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        return np.concatenate(pieces)
    if not all(isinstance(piece, Coded) for piece in pieces):
        return list(chain.from_iterable(piece.listed() if isinstance(piece, Coded) else piece for piece in pieces))
    if all(piece.values is pieces[0].values for piece in pieces):
        return Coded(np.concatenate([piece.codes for piece in pieces]), pieces[0].values)
    begins = accumulate((len(piece.values) for piece in pieces), initial=0)
    codes = [piece.codes.astype(np.int32) + begin for piece, begin in zip(pieces, begins, strict=False)]
    return Coded(np.concatenate(codes), list(chain.from_iterable(piece.values for piece in pieces)))
