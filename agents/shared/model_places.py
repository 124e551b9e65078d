"""Whose place a new model takes, where ``worker.models_max`` models have a state already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeVar

__all__ = ["MODELS_MAX", "NEW_SHARE", "RESULTS_MAX", "ModelPlaces"]

T = TypeVar("T")

MODELS_MAX: Final = 10_000
"""Places where nothing else is said."""
RESULTS_MAX: Final = 2_000
"""Models beside the configured ones whose reference, or settled answers, are kept at hand; beyond it those that had
news longest ago are left out."""
NEW_SHARE: Final = 5
"""One place in so many, and at least one, is for models that have not settled in yet."""


class ModelPlaces:
    """Who has to go for a new model. Models that the settings name (``configured``) take no place and never go.

    A stranger's names can be many, and each comes once; a model that is watched comes again. So the place is taken of
    the model that was used longest ago: of those that have not settled in (for which each role has a word of its own),
    or, once fewer than one in ``NEW_SHARE`` places is theirs, of those that have. Nobody is turned away, names that
    come once push out only each other, and none of them stays for ever.

    >>> places = ModelPlaces(5, {"ours"})
    >>> places.leaver("new", ["ours", "a", "b", "junk", "c", "d"], {"a", "b", "c", "d"}.__contains__)
    'junk'
    >>> places.leaver("new", ["ours", "a", "b", "c", "d", "e"], lambda model: True)
    'a'
    >>> places.leaver("new", ["ours", "a", "b", "c", "d"], lambda model: True) is None
    True
    """

    def __init__(self, models_max: int = MODELS_MAX, configured: Collection[str] = frozenset()) -> None:
        self.models_max = models_max
        """Places of models that are not configured."""
        self._configured = frozenset(configured)

    def leaver(self, model: str, present: Iterable[str], is_settled: Callable[[str], bool]) -> str | None:
        """Who of ``present``, the one used longest ago first, goes for ``model``; None where nobody has to."""
        if model in self._configured:
            return None
        others = [other for other in present if other not in self._configured]
        if len(others) < self.models_max:
            return None
        new = [other for other in others if not is_settled(other)]
        return new[0] if len(new) >= max(1, self.models_max // NEW_SHARE) else next(filter(is_settled, others))

    def of(self, models_max: int) -> ModelPlaces:
        """So many places, for the same settings."""
        return ModelPlaces(models_max, self._configured)

    def keep(self, known: dict[str, T], model: str, value: T) -> None:
        """Put in what is new of a model; what nobody has had news of for longest goes for one more."""
        known.pop(model, None)
        leaver = self.leaver(model, known, lambda _model: True)
        if leaver is not None:
            del known[leaver]
        known[model] = value
