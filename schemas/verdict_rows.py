"""Verdicts of a batch: made and encoded from columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas.verdict import Verdict
from schemas.wire_rows import WireRows

__all__ = ["VERDICT_ROWS", "encoded_verdicts"]

VERDICT_ROWS: Final = WireRows(Verdict)

_encoder: Final = msgspec.json.Encoder()


def encoded_verdicts(rows: list[Any], rows_max: int) -> Iterable[bytes]:
    """JSON arrays of at most ``rows_max`` Verdicts each."""
    for start in range(0, len(rows), rows_max):
        yield _encoder.encode(rows[start : start + rows_max])
