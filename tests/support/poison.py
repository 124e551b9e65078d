"""Records that no role can use: random bytes, and golden samples of which one field is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.topics import Topic
from tests.support.program import ROOT

GOLDEN = ROOT / "schemas" / "golden"
FAR = 253_402_300_799_999
RAW: tuple[bytes | None, ...] = (
    None, b"", b"rubbish", b"{", b"[" * 30_000, b'{"a":' * 30_000, b"null", b"[]", b"{}", b"[null]", b"NaN", b"1e400",
    b"9" * 5_000, b"\xff\xfe\x00", b'"\\ud800"', b'{"\\u0000": "\\u202e"}', b"\x00\x00\x00\x00\x01{}", b"x" * 500_000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, "", "\x00\x1b[2J\u202e", "a/b\n\"'", "x" * 300, -1, 0, 1e308, -1e308, 10**18, FAR, FAR + 1, True, [], {},
    [[]], {"\x00": 1e308}, {"a/b": "x"}, ["\x00"],
)  # fmt: skip
KEYS = (b"key", b"\xff\x00", b"a/b\n", b"another key", b"x" * 2_000)


def poison(topic: Topic) -> Iterator[tuple[bytes, bytes | None]]:
    """Keys and values: random bytes, and the golden sample once for each field, two levels deep, that is wrong."""
    for number, value in enumerate(RAW):
        yield KEYS[number % len(KEYS)], value
    sample = GOLDEN / f"{topic.name}.v1.json"
    told = json.loads(sample.read_text()) if sample.exists() else {}
    own_key = str(told.get(topic.key, "key")).encode()
    for name, inner in told.items():
        for number, value in enumerate(VALUES):
            key = own_key if number % 2 else KEYS[number % len(KEYS)]
            yield key, json.dumps(told | {name: value}).encode()
            for field, deep in inner.items() if isinstance(inner, dict) else ():
                yield own_key, json.dumps(told | {name: inner | {field: value}}).encode()
                for leaf in deep if isinstance(deep, dict) else ():
                    yield own_key, json.dumps(told | {name: inner | {field: deep | {leaf: value}}}).encode()


def hostile(topic: Topic) -> Iterator[tuple[bytes | None, bytes | None]]:
    """What ``poison`` has, and the rest that a broker takes: the wrong topic's values, halves of surrogate pairs in
    every field, keys of 100 kB, and where it is not compact no key at all."""
    yield from poison(topic)
    for sample in sorted(GOLDEN.glob("*.json")):
        yield b"key", sample.read_bytes()
    own = GOLDEN / f"{topic.name}.v1.json"
    told = json.loads(own.read_text()) if own.exists() else {}
    for name in told:
        yield str(told.get(topic.key, "key")).encode(), json.dumps(told | {name: "\ud800"}).encode()
    yield b"\x1b[2J" * 25_000, json.dumps(told).encode()
    yield b"k" * 100_000, b"rubbish"
    if not topic.compact:
        yield None, json.dumps(told).encode()
        yield None, None
