"""Texts that Arrow keeps apart from the rows that have them, in dictionaries and views: how long, and made plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

__all__ = ["resolved", "resolved_bytes", "resolved_bytes_max"]


def resolved(column: Any, kind: Any) -> Any:
    """A column, chunk by chunk, as one of a type without dictionaries and views; raises what pyarrow raises."""
    return pa.chunked_array([_resolved(chunk, kind) for chunk in column.chunks], kind)


def resolved_bytes(array: Any) -> int:
    """Bytes of the texts that an array's dictionaries and views stand for, which may be many times what travelled."""
    kind = array.type
    if types.is_dictionary(kind):
        codes = array.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(_text_lengths(array.dictionary)[codes].sum()) if len(array.dictionary) else 0
    if types.is_string_view(kind):
        return int(_text_lengths(array).sum())
    return sum(map(resolved_bytes, _inner(array)))


def resolved_bytes_max(array: Any) -> int:
    """What ``resolved_bytes`` may be at most, found out faster."""
    kind = array.type
    if types.is_dictionary(kind):
        return int(len(array) * array.dictionary.nbytes)
    if types.is_string_view(kind):
        return int(len(array) * array.nbytes)
    return sum(map(resolved_bytes_max, _inner(array)))


def _inner(array: Any) -> list[Any]:
    kind = array.type
    if types.is_struct(kind):
        return [array.field(place) for place in range(kind.num_fields)]
    return [array.keys, array.items] if types.is_map(kind) else []


def _resolved(array: Any, kind: Any) -> Any:
    if array.type == kind:
        return array
    if types.is_dictionary(array.type):
        return _resolved(array.dictionary.take(array.indices), kind)
    if types.is_struct(kind) and kind.num_fields and not array.null_count:
        fields = [_resolved(array.field(place), kind.field(place).type) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(kind))
    return array.cast(kind)


def _text_lengths(array: Any) -> Any:
    """Bytes of each text of an array; nothing for what is not text."""
    kind, size, start = array.type, len(array), array.offset
    if types.is_string_view(kind):
        # A view is four integers, the first of them its length.
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)[start : start + size, 0].astype(np.int64)
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), views, 0)
    if types.is_string(kind) or types.is_large_string(kind):
        ends = np.frombuffer(array.buffers()[1], np.int32 if types.is_string(kind) else np.int64)
        return np.diff(ends[start : start + size + 1].astype(np.int64))
    return np.zeros(size, np.int64)
