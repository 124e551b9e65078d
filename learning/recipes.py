"""Names of members, as settings spell them, and how each is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from learning.logistic import LogisticMember
from learning.members import Member, ProductionMember, RecalibratedMember
from learning.river_trees import AdaptiveForestMember, AdaptiveTreeMember
from learning.settings import LearnSettings
from learning.window_forest import WindowForestMember

__all__ = ["RECIPES", "UnknownMemberError", "member_of"]

SHORT_WINDOW_SHARE = 5
"""The short window holds a fifth of the long one."""


class UnknownMemberError(ValueError):
    """A setting names a member that does not exist."""


def short_window(settings: LearnSettings) -> int:
    """Corrections in the short window."""
    return max(50, settings.window_corrections_max // SHORT_WINDOW_SHARE)


RECIPES: Final[dict[str, Callable[[LearnSettings], Member]]] = {
    "production": lambda _: ProductionMember(),
    "recalibrated": lambda _: RecalibratedMember(),
    "logistic": lambda _: LogisticMember(),
    "adaptive_tree": lambda settings: AdaptiveTreeMember(settings.seed),
    "adaptive_forest": lambda settings: AdaptiveForestMember(settings.seed),
    "window_forest_short": lambda settings: WindowForestMember(settings.seed, short_window(settings), every=50),
    "window_forest_long": lambda settings: WindowForestMember(
        settings.seed, settings.window_corrections_max, every=100
    ),
}


def member_of(name: str, settings: LearnSettings) -> Member:
    """A new member; raises UnknownMemberError, whose text names those that exist."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise UnknownMemberError(f"learn.members: no member {name!r}, expected some of {', '.join(RECIPES)}")
    return recipe(settings)
