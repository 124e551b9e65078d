"""Rows: the Structs of the wire made column by column, for the messages of which there are many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from schemas.wire import Wire

__all__ = ["WireRows"]

W = TypeVar("W", bound=Wire)


class WireRows(Generic[W]):
    """Makes rows of one kind of Struct; what decodes from a row's JSON is what the Struct itself would be.

    A row takes its fields by position, without being checked, and leaves those at their default out of its JSON.
    """

    def __init__(self, kind: type[W]) -> None:
        fields = sorted(msgspec.structs.fields(kind), key=lambda field: not field.required)
        self._kind = kind.__name__
        self._defaults = [(field.name, _default_of(field)) for field in fields]
        self._struct = msgspec.defstruct(
            f"{kind.__name__}Row", list(map(_positional, fields)), frozen=True, gc=False, omit_defaults=True
        )

    def make(self, count: int, *, constant: Mapping[str, object], columns: Mapping[str, Iterable[object]]) -> list[Any]:
        """``count`` rows: fields that are the same in all, columns of ``count`` values, and defaults.

        Raises KeyError where a field without a default is missing, ValueError where a column is too short.
        """
        values = []
        for name, default in self._defaults:
            if name in columns:
                values.append(columns[name])
            elif name in constant or default is not msgspec.NODEFAULT:
                values.append(repeat(constant.get(name, default), count))
            else:
                raise KeyError(f"{self._kind} has no default for {name!r}")
        rows = list(map(self._struct, *values))
        if len(rows) != count:
            raise ValueError(f"{len(rows)} rows of {self._kind} where {count} are wanted: a column is too short")
        return rows


def _positional(field: FieldInfo) -> Any:
    if field.required:
        return field.name, field.type
    if field.default_factory is msgspec.NODEFAULT:
        return field.name, field.type, field.default
    return field.name, field.type, msgspec.field(default_factory=field.default_factory)


def _default_of(field: FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
