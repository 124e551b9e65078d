"""Places for the states of models: which model loses its place when a new one comes and all places are taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import filterfalse, islice
from typing import Final, TypeVar

__all__ = ["MODELS_MAX", "NEW_SHARE", "RESULTS_MAX", "ModelPlaces"]

T = TypeVar("T")

MODELS_MAX: Final = 10_000
"""Places where no other number is given."""
RESULTS_MAX: Final = 2_000
"""Models whose reference, or settled answers, are kept, beside the configured ones. Beyond it the model whose value was
set longest ago is left out."""
NEW_SHARE: Final = 5
"""One in so many places, and at least one, is for models that have not settled in yet."""


class ModelPlaces:
    """Decides which model loses its place to a new one. Models of the settings (``configured``) always have a state.

    Many names may come once, by mistake or from a stranger; a model that is watched comes again. Each role says when a
    model has settled in. The place taken is that of the model used longest ago: of those that have not settled in, or
    of the others once fewer than one in ``NEW_SHARE`` places is left to new ones. So every new model gets a place,
    names that come once take only each other's, and none of them keeps its place for ever.

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
        """The model of ``present`` that loses its place to ``model``; None where a place is free.

        ``present`` has the models with a state, the one used longest ago first.
        """
        if model in self._configured:
            return None
        others = [other for other in present if other not in self._configured]
        if len(others) < self.models_max:
            return None
        new_min = max(1, self.models_max // NEW_SHARE)
        # Not all are looked at: where strangers bring many names, each of them asks this.
        new = list(islice(filterfalse(is_settled, others), new_min))
        return new[0] if len(new) == new_min else next(filter(is_settled, others))

    def of(self, models_max: int) -> ModelPlaces:
        """Another number of places, for the same configured models."""
        return ModelPlaces(models_max, self._configured)

    def keep(self, known: dict[str, T], model: str, value: T) -> None:
        """Set the value of a model in ``known``. Beyond the places the value that was set longest ago is removed."""
        known.pop(model, None)
        leaver = self.leaver(model, known, lambda _model: True)
        if leaver is not None:
            del known[leaver]
        known[model] = value
