"""Shapes: which features each model sends, learned from its events, and JSON decoders made for them.

Decoding into a Struct with a field for each feature takes two thirds of the time of decoding into a dictionary, and
columns come out of it in one call. A shaped decoder reads exactly the shapes it was made for. Any other event is an
error here and is left to the general decoder, which says what is wrong; if nothing is, the shape learns the event.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from schemas.wire.base import Scalar
from schemas.wire.given import GivenPrediction
from schemas.wire.prediction import Prediction

__all__ = ["ABSENT", "SHAPED_FIELDS", "SHAPE_CHANGES_MAX", "Shape", "Shapes"]

SHAPE_CHANGES_MAX: Final = 32
"""How often a model's shape may change; then the general decoder reads its events for good. Otherwise a producer that
invents feature names would cause a new decoder with every batch."""

SHAPED_FEATURES_MAX: Final = 200
"""A model with more features is left to the general decoder, because the shaped one tries each field of every event."""

ABSENT: Final = UnsetType
_numbers: Final = frozenset((int, float))
_shaped: Final = tuple(field for field in msgspec.structs.fields(GivenPrediction) if field.name != "model")
SHAPED_FIELDS: Final = tuple(field.name for field in _shaped)
"""The fields of a shaped event: those of a prediction, in order, without ``model``."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """The features of one model: the types of values seen under each name, ``ABSENT`` if an event lacked the name."""

    model: str
    types: dict[str, frozenset[type]]

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in the order of the Struct's fields."""
        return tuple(self.types)

    @functools.cached_property
    def column_types(self) -> dict[str, frozenset[type]]:
        """The types that the column of each name may hold; an absent value is None there."""
        return {
            name: _wider(types - {ABSENT}) | ({type(None)} if ABSENT in types else set())
            for name, types in self.types.items()
        }

    @functools.cached_property
    def is_sparse(self) -> bool:
        """Whether an event may lack a feature."""
        return any(ABSENT in types for types in self.types.values())

    @functools.cached_property
    def struct(self) -> type[msgspec.Struct]:
        """A Struct with Prediction's fields, whose ``features`` is a Struct too; the name of the model is its tag.

        Raises ValueError if a name cannot be the name of a field.
        """
        fields = [_field(f"f{number}", types) for number, types in enumerate(self.types.values())]
        features = msgspec.defstruct(
            "Features",
            fields,
            rename={f"f{number}": name for number, name in enumerate(self.types)},
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
            kw_only=True,
        )
        return msgspec.defstruct(
            "ShapedPrediction",
            [_shaped_field(field, features) for field in _shaped],
            tag_field="model",
            tag=self.model,
            frozen=True,
            gc=False,
        )

    @classmethod
    def of(cls, model: str, rows: Sequence[dict[str, Scalar]], known: Shape | None = None) -> Shape:
        """The shape of these rows and those that ``known`` has seen; ``known`` itself if the rows add nothing.

        >>> shape = Shape.of("churn", [{"age": 30}, {"age": 40.5, "plan": "basic"}])
        >>> shape.names, shape.is_sparse
        (('age', 'plan'), True)
        """
        seen = {name: set(types) for name, types in known.types.items()} if known else {}
        counts = Counter(name for row in rows for name in row)
        for row in rows:
            for name, value in row.items():
                seen.setdefault(name, set()).add(type(value))
        for name, types in seen.items():
            if counts[name] < len(rows) or (known and name not in known.types):
                types.add(ABSENT)
        types_of = {name: frozenset(types) for name, types in seen.items()}
        return known if known and types_of == known.types else cls(model, types_of)


class Shapes:
    """The shapes of up to ``models_max`` models, and the decoders of events of any of them."""

    def __init__(self, models_max: int) -> None:
        self._models_max = models_max
        self._shapes: dict[str, Shape] = {}
        self._changes: dict[str, int] = {}
        self._by_struct: dict[type, Shape] = {}
        self.event_decoder: msgspec.json.Decoder[Any] | None = None
        """Decodes one event of any known shape; None while no shape is known."""
        self.array_decoder: msgspec.json.Decoder[list[Any]] | None = None
        """Decodes an array of such events; None while no shape is known."""

    def __len__(self) -> int:
        return len(self._by_struct)

    def of(self, struct: type) -> Shape:
        """The shape of a decoded event, by its type."""
        return self._by_struct[struct]

    def learn(self, events: Sequence[Prediction]) -> None:
        """Widen the shapes by events that the general decoder has read."""
        rows: dict[str, list[dict[str, Scalar]]] = {}
        for event in events:
            rows.setdefault(event.model, []).append(event.features)
        changed = [self._widen(model, of_model) for model, of_model in rows.items()]
        if any(changed):
            self._make_decoders()

    def _widen(self, model: str, rows: list[dict[str, Scalar]]) -> bool:
        changes = self._changes.get(model, 0)
        if changes > SHAPE_CHANGES_MAX or (model not in self._changes and len(self._changes) >= self._models_max):
            return False
        before = self._shapes.get(model)
        after = Shape.of(model, rows, before)
        if after is before:
            return False
        self._changes[model] = changes + 1
        self._shapes[model] = after
        if changes == SHAPE_CHANGES_MAX or len(after.types) > SHAPED_FEATURES_MAX or not _has_struct(after):
            self._changes[model] = SHAPE_CHANGES_MAX + 1
            del self._shapes[model]
        return True

    def _make_decoders(self) -> None:
        self._by_struct = {shape.struct: shape for shape in self._shapes.values()}
        if not self._by_struct:
            self.event_decoder = self.array_decoder = None
            return
        any_struct = functools.reduce(operator.or_, self._by_struct)
        self.event_decoder = msgspec.json.Decoder(any_struct)
        self.array_decoder = msgspec.json.Decoder(list[any_struct])  # type: ignore[valid-type]


def _field(name: str, types: frozenset[type]) -> Any:
    """The definition of a field for values of these types."""
    first, *others = sorted(_wider(types - {ABSENT}), key=str)
    union: Any = functools.reduce(operator.or_, others, first)
    return (name, union | ABSENT, UNSET) if ABSENT in types else (name, union)


def _wider(types: frozenset[type]) -> frozenset[type]:
    """The types with both kinds of number if there is one: JSON writes 1.0 as 1 or 1.0."""
    return types | _numbers if types & _numbers else types


def _shaped_field(field: msgspec.structs.FieldInfo, features: type[msgspec.Struct]) -> Any:
    field_type = features if field.name == "features" else field.type
    if field.required:
        return field.name, field_type
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, field_type, msgspec.field(default_factory=field.default_factory)
    return field.name, field_type, field.default


def _has_struct(shape: Shape) -> bool:
    try:
        return shape.struct is not None
    except ValueError:
        return False
