"""Declared rules: predictions that a team wants people to see, whatever the scores say."""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from schemas.texts.labels import composed
from schemas.wire.prediction import label_text

__all__ = ["RULES_MAX", "Given", "Rule", "problem_of_rule", "shown"]

RULES_MAX: Final = 64
"""Most rules of one model: a match is one bit of a 64-bit word. More are refused when the settings are read."""

ONE_OF_MAX: Final = 1_000
PLAIN_FIELDS: Final = ("risk", "confidence", "prediction")
PREFIXES: Final = ("feature.", "slice.")

Given = float | int | str | bool


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One declared rule. Exactly one of the five conditions must be given.

    A rule that escalates always reaches a person; one that asks for review goes ahead of every score, as long as the
    budget lasts. A value that is absent, null or of another type never matches, except the condition ``missing``.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    """What the rule is called in reasons and reports."""
    field: Annotated[str, Meta(min_length=1, max_length=210)]
    """What it looks at: ``feature.NAME``, ``slice.NAME``, ``risk``, ``confidence`` or ``prediction``."""
    above: float | None = None
    """Matches numbers greater than this."""
    below: float | None = None
    """Matches numbers smaller than this."""
    equals: Given | None = None
    """Matches this value; numbers by value, texts exactly, predictions by their label."""
    one_of: Annotated[tuple[Given, ...], Meta(max_length=ONE_OF_MAX)] = ()
    """Matches any of these values."""
    missing: bool = False
    """Matches events without the value (absent or null)."""
    decision: Literal["review", "escalate"] = "review"
    """What becomes of an event that matches."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    """What the reviewer reads; empty: the rule's name and condition."""

    def __post_init__(self) -> None:
        problem = problem_of_rule(self)
        if problem:
            raise ValueError(problem)

    @property
    def text(self) -> str:
        """The reason that a reviewer reads."""
        return f"rule {self.name}: {self.reason or self.condition}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that a rule about predictions asks for; none for any other rule."""
        if self.field != "prediction":
            return ()
        wanted = self.one_of if self.equals is None else (self.equals,)
        return tuple(composed(shown(value)) for value in wanted)

    @property
    def condition(self) -> str:
        """The condition in words.

        >>> Rule(name="large", field="feature.amount", above=10_000).condition
        'feature.amount above 10000'
        """
        if self.missing:
            return f"{self.field} missing"
        if self.above is not None:
            return f"{self.field} above {self.above:g}"
        if self.below is not None:
            return f"{self.field} below {self.below:g}"
        if self.equals is not None:
            return f"{self.field} equals {shown(self.equals)}"
        return f"{self.field} one of {', '.join(shown(value) for value in self.one_of[:5])}"


def shown(value: Given) -> str:
    """A value as people write it in the settings.

    >>> shown(True), shown(10_000.0), shown("red")
    ('true', '10000', 'red')
    """
    return label_text(value) if isinstance(value, str | bool | int) else f"{value:g}"


def conditions_of(rule: Rule) -> list[str]:
    """The names of the conditions that a rule gives."""
    given = {
        "above": rule.above is not None,
        "below": rule.below is not None,
        "equals": rule.equals is not None,
        "one_of": bool(rule.one_of),
        "missing": rule.missing,
    }
    return [name for name, is_given in given.items() if is_given]


def problem_of_rule(rule: Rule) -> str | None:
    """What is wrong with a rule and what would be right, in one line; None if it is right."""
    where = f"rule {rule.name!r}"
    known = rule.field in PLAIN_FIELDS or any(
        rule.field.startswith(prefix) and len(rule.field) > len(prefix) for prefix in PREFIXES
    )
    if not known:
        return f"{where}: field is {rule.field!r}; expected feature.NAME, slice.NAME, risk, confidence or prediction"
    given = conditions_of(rule)
    if len(given) != 1:
        actual = "none is given" if not given else " and ".join(given) + " are given"
        return f"{where}: expected exactly one of above, below, equals, one_of, missing; {actual}"
    condition = given[0]
    unbounded = [value for value in (rule.above, rule.below, rule.equals) if isinstance(value, float)]
    if not all(map(math.isfinite, unbounded)):
        return f"{where}: {condition} = {unbounded[0]}; expected a finite number"
    if rule.field in ("risk", "confidence"):
        if condition not in ("above", "below", "missing") or (condition == "missing" and rule.field == "confidence"):
            right = "above, below or missing" if rule.field == "risk" else "above or below"
            return f"{where}: {condition} does not fit {rule.field}; expected {right}"
        bound = rule.above if rule.above is not None else rule.below
        if bound is not None and not 0.0 <= bound <= 1.0:
            return f"{where}: {condition} = {bound:g} for {rule.field}; expected a number from 0 to 1"
    if (rule.field == "prediction" or rule.field.startswith("slice.")) and condition in ("above", "below"):
        return f"{where}: {condition} does not fit {rule.field}, which is a text; expected equals or one_of"
    if rule.field == "prediction" and condition == "missing":
        return f"{where}: every event has a prediction; expected equals or one_of"
    return None
