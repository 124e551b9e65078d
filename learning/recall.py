"""Bounded memories: of ids, and of values by id."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Newest", "Recall"]

T = TypeVar("T")


class Recall:
    """Remembers the last ``ids_max`` ids; past that the oldest is forgotten."""

    def __init__(self, ids_max: int) -> None:
        self._ids_max = ids_max
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def is_new(self, item: str) -> bool:
        """Whether the id was not remembered; it is from now on."""
        if item in self._ids:
            return False
        self._ids[item] = None
        if len(self._ids) > self._ids_max:
            del self._ids[next(iter(self._ids))]
        return True


class Newest(Generic[T]):
    """Remembers the values of the last ``ids_max`` ids; past that the oldest is forgotten."""

    def __init__(self, ids_max: int) -> None:
        self._ids_max = ids_max
        self._values: OrderedDict[str, T] = OrderedDict()

    def keep(self, item: str, value: T) -> None:
        """Remember the value of an id, in place of what was remembered of it."""
        self._values[item] = value
        if len(self._values) > self._ids_max:
            self._values.popitem(last=False)

    def of(self, item: str) -> T | None:
        """The value, None where it is not remembered."""
        return self._values.get(item)
