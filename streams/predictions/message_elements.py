"""The elements of a message as they arrived, for Rejects of single elements."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from schemas.json_text.parts import raw_items
from streams.predictions.envelope import envelope_of
from streams.produce.rejects import Elements, WholeMessage
from streams.records import Record

__all__ = ["JsonElements", "elements_of"]


class JsonElements:
    """The elements of a JSON array, with their bytes unchanged."""

    def __init__(self, items: Sequence[bytes]) -> None:
        self._items = items

    def element(self, index: int) -> bytes:
        """The bytes of the element at ``index``, from 0."""
        return self._items[index]

    def elements(self, indexes: Sequence[int]) -> bytes:
        """These elements as one JSON array."""
        return b"[" + b",".join([self._items[index] for index in indexes]) + b"]"


def elements_of(record: Record, rows_max: int) -> Elements:
    """The elements of a message that was readable before; raises MalformedError otherwise."""
    envelope = envelope_of(record)
    if envelope.is_arrow:
        from streams.arrow.ipc import ArrowElements  # slow to import, and rarely needed
        from streams.predictions.arrow.stream import table_again

        return ArrowElements(table_again(envelope.body, rows_max))
    if envelope.body[:1] == b"[":
        return JsonElements(_items_again(envelope.body, rows_max))
    return WholeMessage(record.value() or b"")


_items_again: Final = functools.lru_cache(maxsize=1)(raw_items)
"""Keeps the elements of the latest message, because they are asked for one after the other."""
