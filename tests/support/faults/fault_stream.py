"""A seeded stream of predictions: some messages are malformed, each in one of many ways, some are sent twice."""

from __future__ import annotations

import collections
import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["DEFECTS", "Message", "messages", "prediction"]

MALFORMED_SHARE = 0.05
"""Of all messages."""
ARRAY_SHARE = 0.03
"""Of the readable messages; the others hold one prediction each."""
ARRAY_EVENTS_MAX = 12
BAD_ELEMENT_SHARE = 0.1
RETRY_SHARE = 0.01
"""Of all messages: one sent a short while ago comes again, as after an acknowledgement that its producer never got."""
RETRY_WITHIN_MESSAGES = 300
MODELS = ("churn", "fraud")
DAY_MS = 86_400_000

Draw = random.Random


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What a producer sends, and what should become of it: a verdict for each event, a Reject for each other part.

    ``rejects`` holds the index within an array message (0 for a whole message) and the bytes as they were sent.
    """

    key: bytes
    value: bytes | None
    event_ids: tuple[str, ...] = ()
    rejects: tuple[tuple[int, bytes], ...] = ()
    defect: str = ""


def messages(events: int, *, seed: int, name: str, now_ms: int) -> Iterator[Message]:
    """Messages with exactly ``events`` different predictions among them, whose event ids begin with ``name``."""
    draw = random.Random(f"{seed}/{name}")
    lately: collections.deque[Message] = collections.deque(maxlen=RETRY_WITHIN_MESSAGES)
    made, bad = 0, 0
    while made < events:
        if draw.random() < MALFORMED_SHARE:
            yield malformed(draw, f"{name}-bad-{bad}", now_ms)
            bad += 1
            continue
        if lately and draw.random() < RETRY_SHARE:
            yield draw.choice(lately)
            continue
        if draw.random() < ARRAY_SHARE:
            message = array(draw, name, made, min(events - made, draw.randint(1, ARRAY_EVENTS_MAX)), now_ms)
        else:
            event_id = f"{name}-{made}"
            message = Message(event_id.encode(), _json(prediction(draw, event_id, now_ms)), (event_id,))
        made += len(message.event_ids)
        lately.append(message)
        yield message


def prediction(draw: Draw, event_id: str, now_ms: int) -> dict[str, Any]:
    """One prediction as it travels."""
    return {
        "event_id": event_id,
        "model": MODELS[draw.random() < 0.3],
        "model_version": "3",
        "time": now_ms - draw.randrange(60_000),
        "features": {
            "age": draw.randrange(18, 90),
            "amount": round(draw.lognormvariate(5.0, 1.0), 2),
            "plan": draw.choice(("free", "gold", "team")),
        },
        "prediction": draw.choice(("stay", "go")),
        "confidence": round(draw.uniform(0.5, 1.0), 6),
    }


def array(draw: Draw, name: str, begin: int, size: int, now_ms: int) -> Message:
    """An array of ``size`` readable predictions, some bad elements between them, and blanks where JSON allows them."""
    elements: list[bytes] = []
    event_ids: list[str] = []
    rejects: list[tuple[int, bytes]] = []
    while len(event_ids) < size:
        if draw.random() < BAD_ELEMENT_SHARE:
            element = draw.choice(BAD_ELEMENTS)(_json(prediction(draw, f"{name}-bad-element", now_ms)))
            rejects.append((len(elements), element))
        else:
            event_ids.append(f"{name}-{begin + len(event_ids)}")
            element = _json(prediction(draw, event_ids[-1], now_ms))
        elements.append(element)
    comma = draw.choice((b",", b" ,\n ", b", "))
    value = b"[" + comma.join(elements) + draw.choice((b"]", b" ]\n"))
    return Message(event_ids[0].encode(), value, tuple(event_ids), tuple(rejects), "bad element" if rejects else "")


def malformed(draw: Draw, event_id: str, now_ms: int) -> Message:
    """A message that nobody can read, of a random kind."""
    defect = draw.choice(tuple(DEFECTS))
    value = DEFECTS[defect](draw, prediction(draw, event_id, now_ms))
    return Message(event_id.encode(), value, (), ((0, value or b""),), defect)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


BAD_ELEMENTS: tuple[Callable[[bytes], bytes], ...] = (
    lambda good: b"17",
    lambda good: b"null",
    lambda good: b'"a text, with ] and }"',
    lambda good: b"[" + good + b"]",
    lambda good: good.replace(b'"event_id": "', b'"event_id": ["').replace(b"-bad-element", b'"], "x": "'),
    lambda good: good.replace(b'"features"', b'"fe\\u0061tures!"'),
)
"""What an element of an array may be, made of a readable one, so that the others can still be read."""

DEFECTS: dict[str, Callable[[Draw, dict[str, Any]], bytes | None]] = {
    "no JSON": lambda draw, good: f"{good['event_id']} said {good['prediction']}".encode(),
    "random bytes": lambda draw, good: b"\x01" + draw.randbytes(draw.randint(0, 200)),
    "cut short": lambda draw, good: _json(good)[: draw.randint(1, 80)],
    "empty": lambda draw, good: b"",
    "tombstone": lambda draw, good: None,
    "bad UTF-8": lambda draw, good: _json(good).replace(b"bad", b"b\xc3\x28d"),
    "half a surrogate": lambda draw, good: _json(good).replace(b"bad", b"\\ud800"),
    "wrong type": lambda draw, good: _json(good | {"confidence": "high"}),
    "out of range": lambda draw, good: _json(good | {"confidence": 1.5}),
    "missing field": lambda draw, good: _json({name: good[name] for name in good if name != "features"}),
    "no confidence": lambda draw, good: _json({name: good[name] for name in good if name != "confidence"}),
    "sums to two": lambda draw, good: _json(good | {"probabilities": {"stay": 1.0, "go": 1.0}}),
    "nested feature": lambda draw, good: _json(good | {"features": {"a": {"b": 1}}}),
    "too deep": lambda draw, good: b'{"features":' * draw.randint(1_500, 3_000),
    "deep array": lambda draw, good: b"[" * draw.randint(1_500, 3_000) + b"1" + b"]" * 5,
    "huge integer": lambda draw, good: _json(good | {"features": {"a": "N"}}).replace(b'"N"', b"9" * 400),
    "huger integer": lambda draw, good: _json(good | {"prediction": "N"}).replace(b'"N"', b"-" + b"7" * 6_000),
    "not a number": lambda draw, good: _json(good | {"features": {"a": float("nan")}}),
    "far in the future": lambda draw, good: _json(good | {"time": good["time"] + 4_000 * DAY_MS}),
    "before 1970": lambda draw, good: _json(good | {"time": "1969-12-31T23:59:59Z"}),
    "an array cut short": lambda draw, good: b"[" + _json(good) + b"," + _json(good)[:40],
    "too many elements": lambda draw, good: b"[" + b"{}," * draw.randint(10_000, 20_000) + b"{}]",
    "two objects": lambda draw, good: _json(good) + _json(good),
    "a registry prefix and no JSON": lambda draw, good: b"\0\0\0\0\7" + b"avro?",
}
"""Kind to what makes a message of it out of a readable prediction."""
