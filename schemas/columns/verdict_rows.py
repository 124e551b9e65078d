"""Verdicts of a batch: made and encoded from columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from schemas.codec import encode
from schemas.columns.wire_rows import WireRows
from schemas.wire.verdict import Verdict

__all__ = ["VERDICT_ROWS", "encoded_verdicts"]

VERDICT_ROWS: Final = WireRows(Verdict)


def encoded_verdicts(rows: Iterator[Any], rows_max: int) -> Iterator[bytes]:
    """JSON arrays of at most ``rows_max`` Verdicts each; a row is made when it is encoded, and gone afterwards."""
    while some := list(islice(rows, rows_max)):
        yield encode(some)
