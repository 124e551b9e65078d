"""A bounded memory of ids."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Remembered"]


class Remembered:
    """A set of at most ``ids_max`` ids; past that the oldest is forgotten."""

    def __init__(self, ids_max: int) -> None:
        self._ids_max = ids_max
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, item: object) -> bool:
        return item in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, item: str) -> None:
        """Remember an id, as the newest."""
        self._ids[item] = None
        self._ids.move_to_end(item)
        if len(self._ids) > self._ids_max:
            self._ids.popitem(last=False)
