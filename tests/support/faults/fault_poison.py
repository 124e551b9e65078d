"""Messages that are almost right, which break a reader more often than random bytes do."""

from __future__ import annotations

import json
import random
from typing import Any, Final

from tests.support.faults.fault_stream import DEFECTS, prediction

__all__ = ["poison"]

Draw = random.Random
ELEMENTS_MAX: Final = 5
BYTES_CHANGED_MAX: Final = 4
FIELDS: Final = ("probabilities", "slices", "risk", "subject", "consent", "content", "producer", "extra", "", "\0")
VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        0,
        -0.0,
        1.5,
        -1,
        1e308,
        -1e308,
        5e-324,
        2**53 + 1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**40,
        10**198,
    ),
    *("", " ", "\0", "\ud7ff", "\ud800", "😀", "é" * 100, "a" * 199, "a" * 201, "NaN", "null"),
    *([], {}, [[]], {"a": 1}, {"stay": 0.5, "go": 0.5}, {"": 1.0}),
    *("2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00+23:59"),
)
BYTES: Final = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"9" * 50,
    b"e9",
    b"-",
    b"\xff",
    b"\0",
)


def poison(draw: Draw, number: int, now_ms: int) -> bytes:
    """One message: a mutated prediction, one with other bytes, an array of some, or a malformed one."""
    good = prediction(draw, f"poison-{number}", now_ms)
    choice = draw.randrange(4)
    if choice == 0:
        return DEFECTS[draw.choice(tuple(DEFECTS))](draw, good) or b""
    if choice == 1:
        return _json(mutated(draw, good), ascii_only=draw.random() < 0.5)
    if choice == 2:
        return corrupted(draw, _json(good))
    several = [prediction(draw, f"poison-{number}-{index}", now_ms) for index in range(draw.randint(1, ELEMENTS_MAX))]
    return _json([mutated(draw, element) if draw.random() < 0.5 else element for element in several])


def mutated(draw: Draw, value: dict[str, Any]) -> dict[str, Any]:
    """A prediction with some fields and features removed, changed or added."""
    changed = dict(value)
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(tuple(changed) or ("x",))
        step = draw.randrange(4)
        if step == 0:
            changed.pop(name, None)
        elif step == 1:
            changed[draw.choice(FIELDS)] = draw.choice(VALUES)
        elif isinstance(changed.get(name), dict):
            changed[name] = mutated(draw, changed[name])
        else:
            changed[name] = draw.choice(VALUES)
    return changed


def corrupted(draw: Draw, data: bytes) -> bytes:
    """A message with some bytes changed, removed or added."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, BYTES_CHANGED_MAX)):
        position = draw.randrange(len(changed))
        step = draw.randrange(3)
        if step == 0:
            changed[position] = draw.randrange(256)
        elif step == 1:
            del changed[position]
        else:
            changed[position:position] = draw.choice(BYTES)
    return bytes(changed)


def _json(value: object, *, ascii_only: bool = True) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
