"""How each member is made, by its name in the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from learning.members.logistic import LogisticMember
from learning.members.member import Member, ProductionMember, RecalibratedMember
from learning.members.river_trees import AdaptiveForestMember, AdaptiveTreeMember
from learning.members.window_forest import WindowForestMember
from learning.settings import LearnSettings, MemberName

__all__ = ["RECIPES", "member_of"]

WINDOW_MIN = 50


def window_forest(share: int, every: int) -> Callable[[LearnSettings], Member]:
    """A forest on 1/``share`` of the longest window, refitted every ``every`` corrections."""
    return lambda settings: WindowForestMember(
        settings.seed, max(WINDOW_MIN, settings.window_corrections_max // share), every
    )


RECIPES: Final[dict[MemberName, Callable[[LearnSettings], Member]]] = {
    "production": lambda _: ProductionMember(),
    "recalibrated": lambda _: RecalibratedMember(),
    "logistic": lambda _: LogisticMember(),
    "adaptive_tree": lambda settings: AdaptiveTreeMember(settings.seed),
    "adaptive_forest": lambda settings: AdaptiveForestMember(settings.seed),
    "window_forest_short": window_forest(share=8, every=25),
    "window_forest_middle": window_forest(share=3, every=50),
    "window_forest_long": window_forest(share=1, every=100),
}


def member_of(name: MemberName, settings: LearnSettings) -> Member:
    """A member that has learned nothing yet, made by the recipe of this name."""
    return RECIPES[name](settings)
