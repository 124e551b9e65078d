"""A bounded memory of ids."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Remembered"]


class Remembered:
    """At most ``ids_max`` ids, each with a word about it; past that the oldest is forgotten."""

    def __init__(self, ids_max: int) -> None:
        self._ids_max = ids_max
        self._ids: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, item: object) -> bool:
        return item in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, item: str) -> str | None:
        """The word about an id; None for one that is not remembered."""
        return self._ids.get(item)

    def add(self, item: str, word: str = "") -> None:
        """Remember an id, as the newest."""
        self._ids[item] = word
        self._ids.move_to_end(item)
        if len(self._ids) > self._ids_max:
            self._ids.popitem(last=False)
