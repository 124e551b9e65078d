"""Verdicts of a batch: made and encoded from columns; what decodes from their JSON is what the Structs would be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Final

import msgspec

from schemas.verdict import Verdict

__all__ = ["encoded_verdicts", "verdict_rows"]

_fields: Final = sorted(msgspec.structs.fields(Verdict), key=lambda field: not field.required)
_names: Final = tuple(field.name for field in _fields)
_defaults: Final = {field.name: field.default for field in _fields if not field.required}

VerdictRow: Final = msgspec.defstruct(
    "VerdictRow",
    [(field.name, field.type) if field.required else (field.name, field.type, field.default) for field in _fields],
    frozen=True,
    gc=False,
    omit_defaults=True,
)
"""A Verdict that takes its fields by position; those at their default are left out of its JSON."""

_encoder: Final = msgspec.json.Encoder()


def verdict_rows(*, events: int, constant: Mapping[str, object], columns: Mapping[str, Iterable[object]]) -> list[Any]:
    """Rows for ``encoded_verdicts``, in order: fields that are the same in all, columns of ``events`` values, defaults.

    Raises KeyError where a field without a default is missing, ValueError where a column is too short.
    """
    values = [
        columns[name] if name in columns else repeat(constant[name] if name in constant else _defaults[name], events)
        for name in _names
    ]
    rows = list(map(VerdictRow, *values))
    if len(rows) != events:
        raise ValueError(f"{len(rows)} verdicts for {events} events: a column is too short")
    return rows


def encoded_verdicts(rows: list[Any], rows_max: int) -> Iterable[bytes]:
    """JSON arrays of at most ``rows_max`` Verdicts each."""
    for start in range(0, len(rows), rows_max):
        yield _encoder.encode(rows[start : start + rows_max])
