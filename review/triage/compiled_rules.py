"""Declared rules, prepared for whole batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from review.triage.decisions import Flags, Reasons
from review.triage.rules import Rule, shown
from schemas.columns.feature_column import FeatureColumn
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import Scalar

__all__ = ["CompiledRules"]

REASONS_KEPT_MAX: Final = 1_000
NUMBERS: Final = frozenset({float, type(None)})
TEXTS: Final = frozenset({str, type(None)})


def is_number(value: Scalar) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, float | int) and not isinstance(value, bool)


def key_of(value: Scalar) -> tuple[str, Scalar]:
    """A key to compare values by: 1 equals 1.0, and neither equals true.

    >>> key_of(1) == key_of(1.0), key_of(1) == key_of(True)
    (True, False)
    """
    if isinstance(value, bool):
        return ("bool", value)
    return ("number", value) if is_number(value) else ("text", value)


def column_of(field: str, events: PredictionColumns) -> Sequence[Scalar]:
    """The values of a field, one an event; None where it is absent."""
    if field == "risk":
        return [None if risk != risk else risk for risk in events.risk.tolist()]
    if field == "confidence":
        confidences: list[Scalar] = events.confidence.tolist()
        return confidences
    if field == "prediction":
        return events.labels.tolist()
    prefix, name = field.split(".", 1)
    if prefix == "slice":
        return [None] * len(events) if events.slices is None else [slices.get(name) for slices in events.slices]
    column = events.features.get(name)
    return [None] * len(events) if column is None else column.values


def condition_of(rule: Rule) -> Callable[[Scalar], bool]:
    """The condition of a rule as a function of a value; false for a value of a type that it does not apply to."""
    if rule.missing:
        return lambda value: value is None
    if rule.above is not None:
        above = rule.above
        return lambda value: type(value) in (float, int) and value > above  # type: ignore[operator]
    if rule.below is not None:
        below = rule.below
        return lambda value: type(value) in (float, int) and value < below  # type: ignore[operator]
    wanted = (rule.equals,) if rule.equals is not None else rule.one_of
    if rule.field == "prediction":
        return frozenset(rule.labels).__contains__
    if rule.field.startswith("slice."):
        return frozenset(shown(value) for value in wanted).__contains__
    keys = frozenset(key_of(value) for value in wanted)
    return lambda value: value is not None and key_of(value) in keys


def text_condition_of(rule: Rule) -> Callable[[Scalar], bool]:
    """A faster ``condition_of`` for columns of texts and None."""
    return frozenset(value for value in (rule.equals, *rule.one_of) if isinstance(value, str)).__contains__


def numbers_of(field: str, events: PredictionColumns) -> npt.NDArray[np.float64] | None:
    """A field as an array if all its values are floats, NaN where it is absent; None for any other field."""
    if field in ("risk", "confidence"):
        return events.risk if field == "risk" else events.confidence
    column = feature_of(field, events)
    return None if column is None or not column.types <= NUMBERS else column.numbers


def feature_of(field: str, events: PredictionColumns) -> FeatureColumn | None:
    """The column of ``feature.NAME``, if there is one."""
    prefix, _, name = field.partition(".")
    return events.features.get(name) if prefix == "feature" else None


class CompiledRule:
    """One prepared rule. The types of a column's values are looked at once, not value by value."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._condition, self._text_condition = condition_of(rule), text_condition_of(rule)
        self._bound = next((bound for bound in (rule.above, rule.below) if type(bound) is float), None)

    def hits(self, events: PredictionColumns) -> Flags:
        """Whether the rule matches each event; shape (events,)."""
        rule = self._rule
        numbers = None if self._bound is None else numbers_of(rule.field, events)
        if numbers is not None and self._bound is not None:
            hits: Flags = numbers < self._bound if rule.above is None else numbers > self._bound
            return hits
        column, condition = feature_of(rule.field, events), self._condition
        if column is not None and not rule.missing and column.types <= TEXTS:
            condition = self._text_condition
        return np.fromiter(map(condition, column_of(rule.field, events)), np.bool_, len(events))


class CompiledRules:
    """All declared rules of a model, prepared; ``matches`` gives one bit for each rule and event."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._compiled = [CompiledRule(rule) for rule in self.rules]
        self._texts = [rule.text for rule in self.rules]
        self._escalating = sum(1 << bit for bit, rule in enumerate(self.rules) if rule.decision == "escalate")
        self.texts = functools.lru_cache(REASONS_KEPT_MAX)(self._texts_of)
        """The reasons of one event by its matches, in the order in which the rules are declared."""

    def matches(self, events: PredictionColumns) -> npt.NDArray[np.uint64]:
        """The rules that each event matches, bit k for rule k; shape (events,)."""
        matches = np.zeros(len(events), np.uint64)
        for bit, rule in enumerate(self._compiled):
            matches |= rule.hits(events).astype(np.uint64) << np.uint64(bit)
        return matches

    def escalating(self, matches: npt.NDArray[np.uint64]) -> Flags:
        """Whether at least one matching rule escalates; shape (events,)."""
        escalating: Flags = (matches & np.uint64(self._escalating)) != 0
        return escalating

    def _texts_of(self, matches: int) -> Reasons:
        return tuple(text for bit, text in enumerate(self._texts) if matches >> bit & 1)
