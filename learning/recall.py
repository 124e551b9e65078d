"""A bounded memory of ids."""

from __future__ import annotations

__all__ = ["Recall"]


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
