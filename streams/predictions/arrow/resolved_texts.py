"""Resolves texts that Arrow stores apart from their rows, in dictionaries and views, and measures them before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

__all__ = ["resolved", "resolved_bytes", "resolved_bytes_max"]


def resolved(column: Any, arrow_type: Any) -> Any:
    """A column as one of ``arrow_type``, which has no dictionaries and views; raises what pyarrow raises."""
    return pa.chunked_array([_resolved(chunk, arrow_type) for chunk in column.chunks], arrow_type)


def resolved_bytes(array: Any) -> int:
    """The bytes of an array's dictionaries and views once resolved, which may be many times those that were sent."""
    if types.is_dictionary(array.type):
        codes = array.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(_text_lengths(array.dictionary)[codes].sum()) if len(array.dictionary) else 0
    if types.is_string_view(array.type):
        return int(_text_lengths(array).sum())
    return sum(map(resolved_bytes, _inner(array)))


def resolved_bytes_max(array: Any) -> int:
    """An upper bound of ``resolved_bytes`` that is faster to compute."""
    if types.is_dictionary(array.type):
        return int(len(array) * array.dictionary.nbytes)
    if types.is_string_view(array.type):
        return int(len(array) * array.nbytes)
    return sum(map(resolved_bytes_max, _inner(array)))


def _inner(array: Any) -> list[Any]:
    if types.is_struct(array.type):
        return [array.field(number) for number in range(array.type.num_fields)]
    return [array.keys, array.items] if types.is_map(array.type) else []


def _resolved(array: Any, arrow_type: Any) -> Any:
    if array.type == arrow_type:
        return array
    if types.is_dictionary(array.type):
        return _resolved(array.dictionary.take(array.indices), arrow_type)
    if types.is_struct(arrow_type) and arrow_type.num_fields and not array.null_count:
        count = arrow_type.num_fields
        fields = [_resolved(array.field(number), arrow_type.field(number).type) for number in range(count)]
        return pa.StructArray.from_arrays(fields, fields=list(arrow_type))
    return array.cast(arrow_type)


def _text_lengths(array: Any) -> Any:
    """The bytes of each text of an array, shape (n,); 0 for values that are not text."""
    arrow_type, size, start = array.type, len(array), array.offset
    if types.is_string_view(arrow_type):
        # A view is four integers, the first of them its length.
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)[start : start + size, 0].astype(np.int64)
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), views, 0)
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        ends = np.frombuffer(array.buffers()[1], np.int32 if types.is_string(arrow_type) else np.int64)
        return np.diff(ends[start : start + size + 1].astype(np.int64))
    return np.zeros(size, np.int64)
