"""Arrow messages of verdicts: opened within bounds, as checked columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.columns.read_verdicts import VerdictRows, checked_verdicts
from schemas.columns.verdict_columns import VERDICTS_PER_STREAM_MAX, some_verdicts
from schemas.json_text.errors import MalformedError
from streams.arrow.ipc import STREAM_ERRORS, check_unpacked, damage, read_stream
from streams.arrow.sizes import sizes_of
from streams.message_limits import TooManyElementsError

__all__ = ["VerdictElements", "verdict_rows"]

BATCHES_MAX: Final = 100
"""Dictionaries and record batches of one message: as many as have a place in it, and some that are not known yet."""


def verdict_rows(data: bytes) -> VerdictRows:
    """The verdicts of an Arrow message, and its wrong rows; raises MalformedError if nothing of it can be used.

    It is measured before it is unpacked. The format bounds its rows, not ``worker.message_events_max``, which says how
    many predictions a producer may send.
    """
    try:
        rows, unpacked_bytes = sizes_of(data, BATCHES_MAX)
        if rows > VERDICTS_PER_STREAM_MAX:
            raise TooManyElementsError(f"{rows} verdicts; an Arrow message may have {VERDICTS_PER_STREAM_MAX}", rows)
        check_unpacked(unpacked_bytes)
        table = read_stream(data)
        if table.num_columns and not table.column(0).num_chunks:
            raise MalformedError(f"{len(data)} bytes without a record batch; expected one, so the stream is truncated")
        return checked_verdicts(table)
    except STREAM_ERRORS as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"no Arrow IPC stream: {damage(data, error)}") from error


class VerdictElements:
    """The rows of an Arrow message of verdicts, each as a stream of its own."""

    def __init__(self, rows: VerdictRows) -> None:
        self._rows = rows

    def element(self, index: int) -> bytes:
        """An Arrow stream of the row at ``index``, from 0."""
        return self.elements([index])

    def elements(self, indexes: Sequence[int]) -> bytes:
        """An Arrow stream of the rows at these indexes, with the columns that a verdict has."""
        return some_verdicts(self._rows.all_rows, indexes)
