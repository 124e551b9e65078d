"""Compiled rules: declared rules made ready for batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from review.triage.decisions import Flags, Reasons
from review.triage.rules import Rule, shown
from schemas.columns.prediction_columns import FeatureColumn, PredictionColumns
from schemas.wire.base import Scalar

__all__ = ["CompiledRules"]

REASONS_KEPT_MAX: Final = 1_000
NUMBERS: Final = frozenset({float, type(None)})
TEXTS: Final = frozenset({str, type(None)})


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
        return [None] * len(events) if events.slices is None else [slices.get(name) for slices in events.slices]
    column = events.features.get(name)
    return [None] * len(events) if column is None else column.values


def condition_of(rule: Rule) -> Callable[[Scalar], bool]:
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
    if rule.field == "prediction":
        return frozenset(rule.labels).__contains__
    if rule.field.startswith("slice."):
        return frozenset(shown(value) for value in wanted).__contains__
    keys = frozenset(key_of(value) for value in wanted)
    return lambda value: value is not None and key_of(value) in keys


def text_condition_of(rule: Rule) -> Callable[[Scalar], bool]:
    """The same answers as ``condition_of(rule)`` for texts and None, sooner."""
    return frozenset(value for value in (rule.equals, *rule.one_of) if isinstance(value, str)).__contains__


def numbers_of(field: str, events: PredictionColumns) -> npt.NDArray[np.float64] | None:
    """A field that holds floats only as an array, NaN where it is absent; None for any other field."""
    if field in ("risk", "confidence"):
        return events.risk if field == "risk" else events.confidence
    column = feature_of(field, events)
    return None if column is None or not column.kinds <= NUMBERS else np.array(column.values, np.float64)


def feature_of(field: str, events: PredictionColumns) -> FeatureColumn | None:
    """The column of ``feature.NAME``, if there is one."""
    kind, _, name = field.partition(".")
    return events.features.get(name) if kind == "feature" else None


class CompiledRule:
    """One rule made ready: ``hits`` says where it matches. What a column holds is asked once, not of each value."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._condition, self._text_condition = condition_of(rule), text_condition_of(rule)
        self._bound = next((bound for bound in (rule.above, rule.below) if type(bound) is float), None)

    def hits(self, events: PredictionColumns) -> Flags:
        """Where the rule matches; shape (events,)."""
        rule = self._rule
        numbers = None if self._bound is None else numbers_of(rule.field, events)
        if numbers is not None and self._bound is not None:
            hits: Flags = numbers < self._bound if rule.above is None else numbers > self._bound
            return hits
        column, condition = feature_of(rule.field, events), self._condition
        if column is not None and not rule.missing and column.kinds <= TEXTS:
            condition = self._text_condition
        return np.fromiter(map(condition, column_of(rule.field, events)), np.bool_, len(events))


class CompiledRules:
    """Rules made ready for batches: ``matches`` gives one bit a rule and event."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._compiled = [CompiledRule(rule) for rule in self.rules]
        self._texts = [rule.text for rule in self.rules]
        self._escalating = sum(1 << bit for bit, rule in enumerate(self.rules) if rule.decision == "escalate")
        self.texts = functools.lru_cache(REASONS_KEPT_MAX)(self._texts_of)
        """The reasons of the matches of one event, in the order in which the rules are declared."""

    def matches(self, events: PredictionColumns) -> npt.NDArray[np.uint64]:
        """Which rules each event matches: bit k stands for rule k. Shape (events,)."""
        matches = np.zeros(len(events), np.uint64)
        for bit, rule in enumerate(self._compiled):
            matches |= rule.hits(events).astype(np.uint64) << np.uint64(bit)
        return matches

    def escalating(self, matches: npt.NDArray[np.uint64]) -> Flags:
        """Where at least one matching rule escalates."""
        escalating: Flags = (matches & np.uint64(self._escalating)) != 0
        return escalating

    def _texts_of(self, matches: int) -> Reasons:
        return tuple(text for bit, text in enumerate(self._texts) if matches >> bit & 1)
