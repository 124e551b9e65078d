"""Declared rules: what a team wants people to see, whatever the scores say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from schemas.prediction import label_text
from schemas.prediction_columns import PredictionColumns
from schemas.wire import Scalar

__all__ = ["RULES_MAX", "CompiledRules", "Rule", "problem_of_rule"]

RULES_MAX: Final = 64
"""Declared rules of one model; more are refused when the settings are read (each match is one bit of a 64-bit word)."""

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
        """What a person reads as the reason."""
        return f"rule {self.name}: {self.reason or self.condition}"

    @property
    def condition(self) -> str:
        """The condition in words, for example ``feature.amount above 10000``."""
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
    """A value as people write it in the settings."""
    return label_text(value) if isinstance(value, str | bool | int) else f"{value:g}"


def conditions_of(rule: Rule) -> list[str]:
    """Names of the conditions that are given."""
    given = {
        "above": rule.above is not None,
        "below": rule.below is not None,
        "equals": rule.equals is not None,
        "one_of": bool(rule.one_of),
        "missing": rule.missing,
    }
    return [name for name, is_given in given.items() if is_given]


def problem_of_rule(rule: Rule) -> str | None:
    """What is wrong with the rule and what would be right, in one line; None where nothing is."""
    where = f"rule {rule.name!r}"
    known = rule.field in PLAIN_FIELDS or any(
        rule.field.startswith(prefix) and len(rule.field) > len(prefix) for prefix in PREFIXES
    )
    if not known:
        return f"{where}: field is {rule.field!r}; expected feature.NAME, slice.NAME, risk, confidence or prediction"
    given = conditions_of(rule)
    if len(given) != 1:
        found = "none is given" if not given else " and ".join(given) + " are given"
        return f"{where}: expected exactly one of above, below, equals, one_of, missing; {found}"
    condition = given[0]
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


def is_number(value: Scalar) -> bool:
    """A number, where true and false are not numbers."""
    return isinstance(value, float | int) and not isinstance(value, bool)


def key_of(value: Scalar) -> tuple[str, Scalar]:
    """A value to compare by, so that 1 equals 1.0 and neither equals true."""
    if isinstance(value, bool):
        return ("bool", value)
    return ("number", value) if is_number(value) else ("text", value)


def column_of(field: str, events: PredictionColumns) -> Sequence[Scalar]:
    """A field of every event; None where it is absent."""
    if field == "risk":
        return [None if risk != risk else risk for risk in events.risk.tolist()]
    if field == "confidence":
        confidences: list[Scalar] = events.confidence.tolist()
        return confidences
    if field == "prediction":
        return events.labels
    kind, name = field.split(".", 1)
    if kind == "slice":
        return [None] * len(events) if events.slices is None else [found.get(name) for found in events.slices]
    column = events.features.get(name)
    return [None] * len(events) if column is None else column.values


def test_of(rule: Rule) -> Callable[[Scalar], bool]:
    """The condition as a function of a value; false for what it does not apply to."""
    if rule.missing:
        return lambda value: value is None
    if rule.above is not None:
        above = rule.above
        return lambda value: type(value) in (float, int) and value > above  # type: ignore[operator]
    if rule.below is not None:
        below = rule.below
        return lambda value: type(value) in (float, int) and value < below  # type: ignore[operator]
    wanted = (rule.equals,) if rule.equals is not None else rule.one_of
    if rule.field == "prediction" or rule.field.startswith("slice."):
        texts = frozenset(shown(value) for value in wanted)
        return lambda value: value in texts
    keys = frozenset(key_of(value) for value in wanted)
    return lambda value: value is not None and key_of(value) in keys


class CompiledRules:
    """Rules made ready for batches: ``matches`` gives one bit a rule and event."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._tests = [(rule.field, test_of(rule)) for rule in self.rules]
        self._texts = [rule.text for rule in self.rules]
        self._escalating = sum(1 << place for place, rule in enumerate(self.rules) if rule.decision == "escalate")

    def matches(self, events: PredictionColumns) -> npt.NDArray[np.uint64]:
        """Which rules each event matches: bit k stands for rule k. Shape (events,)."""
        found = np.zeros(len(events), np.uint64)
        for place, (field, test) in enumerate(self._tests):
            hits = np.fromiter(map(test, column_of(field, events)), np.bool_, len(events))
            found |= hits.astype(np.uint64) << np.uint64(place)
        return found

    def escalating(self, matches: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Where at least one matching rule escalates."""
        found: npt.NDArray[np.bool_] = (matches & np.uint64(self._escalating)) != 0
        return found

    def texts(self, matches: int) -> tuple[str, ...]:
        """The reasons of one event, in the order in which the rules are declared."""
        return tuple(text for place, text in enumerate(self._texts) if matches >> place & 1)
