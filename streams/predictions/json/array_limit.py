"""The number of elements of a JSON array, checked before any of them is decoded."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.message_limits import MessageLimits

__all__ = ["check_array", "element_count"]

QUOTE: Final = ord('"')
COMMA: Final = ord(",")
NO_MARKS: Final = bytes(set(range(256)) - set(b'"[]{},'))
MARKS_AT_ONCE: Final = 256 * 1024
"""Brackets, commas and quotes that are counted at once, so that memory does not grow with the message."""

_steps: Final = np.zeros(256, np.int8)
_steps[list(b"[{")] = 1
_steps[list(b"]}")] = -1


def check_array(data: bytes, limits: MessageLimits) -> None:
    """Raises TooManyElementsError for a JSON array of more elements than ``limits`` allow; nothing is decoded."""
    limits.check_elements(element_count(data, limits.events_max))


def element_count(data: bytes, enough: int = 0) -> int:
    """The number of elements of a JSON array, counted by the commas between them; 1 for anything else.

    A count of ``enough`` or less may be returned as 1, which saves the counting.

    >>> element_count(b'[{"a": [1, 2]}, "x,\\\\",y", 3]')
    3
    >>> element_count(b"[{},{},{}]", enough=10)
    1
    """
    if data[:1] != b"[" or data.count(b",") < enough:
        return 1
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    marks = plain.translate(None, NO_MARKS)
    count, depth, quoted = 1, 0, 0
    for start in range(0, len(marks), MARKS_AT_ONCE):
        codes = np.frombuffer(marks, np.uint8, min(MARKS_AT_ONCE, len(marks) - start), start)
        is_quoted = (np.cumsum(codes == QUOTE) + quoted) & 1
        depths = np.cumsum(np.where(is_quoted, 0, _steps[codes])) + depth
        count += int(np.count_nonzero((codes == COMMA) & (is_quoted == 0) & (depths == 1)))
        depth, quoted = int(depths[-1]), int(is_quoted[-1])
    return count
