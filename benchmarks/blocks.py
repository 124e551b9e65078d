"""Blocks: inserts that are encoded already, so that a bare insert costs nothing but itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from warehouse.store.inserts import ColumnInsert, Insert

__all__ = ["Block", "arrow_blocks", "json_blocks"]


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """An insert that costs its sender nothing more: ``rows`` rows as bytes, of these columns (None: JSON)."""

    rows: int
    data: bytes
    columns: tuple[str, ...] | None
    token: str


def arrow_blocks(inserts: Sequence[Insert]) -> list[Block]:
    """The inserts as RECORD sends them."""
    return [Block(len(insert), insert.block(), insert.columns, insert.token) for insert in inserts]


def json_blocks(inserts: Sequence[Insert]) -> list[Block]:
    """The same rows as JSONEachRow."""
    encoder = msgspec.json.Encoder()
    return [
        Block(len(insert), encoder.encode_lines([json_row(row) for row in rows_of(insert)]), None, insert.token)
        for insert in inserts
    ]


def rows_of(insert: Insert) -> list[dict[str, Any]]:
    """The rows of an insert of columns."""
    assert isinstance(insert, ColumnInsert)
    rows: list[dict[str, Any]] = insert.batch.to_pylist(maps_as_pydicts="strict")
    return rows


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times in seconds."""
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in row.items()}
