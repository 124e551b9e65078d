"""Shapes: what features each model sends, learned from its events, and a JSON decoder made for just these.

Decoding into a Struct with a field for each feature takes two thirds of the time of a dictionary, and its columns come
out with one call. A decoder of shapes reads what it was made for and nothing else: whatever differs is an error here,
and is read by the general decoder, which says what is wrong or, where nothing is, teaches the shape.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from schemas.wire.base import Scalar
from schemas.wire.given import GivenPrediction
from schemas.wire.prediction import Prediction

__all__ = ["ABSENT", "SHAPED_FIELDS", "SHAPE_CHANGES_MAX", "Shape", "Shapes"]

SHAPE_CHANGES_MAX: Final = 32
"""How often a model's shape may change before its events are read by the general decoder for good: a producer that
invents feature names would have a decoder made at every batch."""

SHAPED_FEATURES_MAX: Final = 200
"""A model with more features is read by the general decoder: every event would be looked at for each of them."""

ABSENT: Final = UnsetType
_numbers: Final = frozenset((int, float))
_shaped: Final = tuple(field for field in msgspec.structs.fields(GivenPrediction) if field.name != "model")
SHAPED_FIELDS: Final = tuple(field.name for field in _shaped)
"""The fields of a shaped event: a prediction's, in order, without the model."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """One model's features: name to the types seen among its values; ``ABSENT`` where an event came without it."""

    model: str
    kinds: dict[str, frozenset[type]]

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names, in the order of the Struct's fields."""
        return tuple(self.kinds)

    @functools.cached_property
    def value_kinds(self) -> dict[str, frozenset[type]]:
        """Name to the types that may be in its column; what is absent is None there."""
        return {
            name: _wider(kinds - {ABSENT}) | ({type(None)} if ABSENT in kinds else set())
            for name, kinds in self.kinds.items()
        }

    @functools.cached_property
    def is_sparse(self) -> bool:
        """Whether an event may lack a feature."""
        return any(ABSENT in kinds for kinds in self.kinds.values())

    @functools.cached_property
    def struct(self) -> type[msgspec.Struct]:
        """A Struct with Prediction's fields, whose ``features`` are a Struct too; the model's name is its tag.

        Raises ValueError where a name cannot be a field's.
        """
        fields = [_field(f"f{place}", kinds) for place, kinds in enumerate(self.kinds.values())]
        features = msgspec.defstruct(
            "Features",
            fields,
            rename={f"f{place}": name for place, name in enumerate(self.kinds)},
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
        """The shape that holds these rows, and what ``known`` held; ``known`` itself where that is the same."""
        found = {name: set(kinds) for name, kinds in known.kinds.items()} if known else {}
        is_first = known is None
        for row in rows:
            for name, value in row.items():
                if name not in found:
                    found[name] = set() if is_first else {ABSENT}
                found[name].add(type(value))
            if len(row) < len(found):
                for name in found.keys() - row.keys():
                    found[name].add(ABSENT)
            is_first = False
        kinds_of = {name: frozenset(kinds) for name, kinds in found.items()}
        return known if known and kinds_of == known.kinds else cls(model, kinds_of)


class Shapes:
    """The shapes of up to ``models_max`` models, and the decoders of events of any of them."""

    def __init__(self, models_max: int) -> None:
        self._models_max = models_max
        self._shapes: dict[str, Shape] = {}
        self._changes: dict[str, int] = {}
        self._by_struct: dict[type, Shape] = {}
        self.event_decoder: msgspec.json.Decoder[Any] | None = None
        """Decodes one event; None while no shape is known."""
        self.array_decoder: msgspec.json.Decoder[list[Any]] | None = None
        """Decodes an array of events."""

    def __len__(self) -> int:
        return len(self._by_struct)

    def of(self, kind: type) -> Shape:
        """The shape behind a decoded event's type."""
        return self._by_struct[kind]

    def learn(self, events: Sequence[Prediction]) -> None:
        """Widen the shapes by events that the decoders could not read, or need not have been asked about."""
        rows: dict[str, list[dict[str, Scalar]]] = {}
        for event in events:
            rows.setdefault(event.model, []).append(event.features)
        changed = [self._widen(model, found) for model, found in rows.items()]
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
        if changes == SHAPE_CHANGES_MAX or len(after.kinds) > SHAPED_FEATURES_MAX or not _has_struct(after):
            self._changes[model] = SHAPE_CHANGES_MAX + 1
            del self._shapes[model]
        return True

    def _make_decoders(self) -> None:
        self._by_struct = {shape.struct: shape for shape in self._shapes.values()}
        if not self._by_struct:
            self.event_decoder = self.array_decoder = None
            return
        kind = functools.reduce(operator.or_, self._by_struct)
        self.event_decoder = msgspec.json.Decoder(kind)
        self.array_decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]


def _field(name: str, kinds: frozenset[type]) -> Any:
    """A field for values of these types; numbers are always whole or not, as JSON does not tell them apart."""
    first, *others = sorted(_wider(kinds - {ABSENT}), key=str)
    kind: Any = functools.reduce(operator.or_, others, first)
    return (name, kind | ABSENT, UNSET) if ABSENT in kinds else (name, kind)


def _wider(kinds: frozenset[type]) -> frozenset[type]:
    """JSON has one kind of number: where one was whole, the next may not be."""
    return kinds | _numbers if kinds & _numbers else kinds


def _shaped_field(field: msgspec.structs.FieldInfo, features: type[msgspec.Struct]) -> Any:
    kind = features if field.name == "features" else field.type
    if field.required:
        return field.name, kind
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, kind, msgspec.field(default_factory=field.default_factory)
    return field.name, kind, field.default


def _has_struct(shape: Shape) -> bool:
    try:
        return shape.struct is not None
    except ValueError:
        return False
