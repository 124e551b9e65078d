"""Why JSON could not be read, as its sender reads it."""

from __future__ import annotations

import pytest

from schemas.codec import decode
from schemas.json_text.errors import MalformedError
from schemas.wire.prediction import Prediction

OUT = "the field left out"


def refusal_of(data: bytes) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        decode(Prediction, data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty; expected JSON"),
        (
            b'{"confidence": NaN}',
            "NaN (byte 15): JSON has neither NaN nor infinities; expected a number or null, or " + OUT,
        ),
        (
            b'{"risk":-Infinity}',
            "-Infinity (byte 8): JSON has neither NaN nor infinities; expected a number or null, or " + OUT,
        ),
        (b'{"risk":nan}', "nan (byte 8): JSON has neither NaN nor infinities; expected a number or null, or " + OUT),
        (b'{"x":[inf, 1]}', "inf (byte 6): JSON has neither NaN nor infinities; expected a number or null, or " + OUT),
        (
            b'{"risk":tru}',
            "'tru}'; expected a number, a text in double quotes, true, false, null, an array or an object",
        ),
        (b'{"risk":nu', "truncated: it ends after 10 bytes, before the JSON does; expected all of it"),
        (b'{"x":"nan\x01"}', "'\\x01\"}'; expected control characters as escapes, such as \\n or \\u0001"),
        (b'{"x":"\\inf"}', "a backslash itself is written \\\\"),
        (b'{"x":01}', "'1}'; expected a number as JSON has them, such as 1, -0.5 or 1e9: without a 0 before it"),
        (b'{"x":"\\ud800"}', "half of a surrogate pair: \\ud800 (byte 6); expected both or neither"),
        (b'{"risk": 0.1 "x": 2}', "expected ',' or '}' (byte 13): '\"x\": 2}'"),
        (b'{"model": "m", "event_id": "e\xff"}', "not UTF-8: 0xff (byte 29); expected UTF-8"),
        (b'{"a":' * 100_000, "nested too deeply; expected no more than a few hundred brackets within each other"),
    ],
)
def test_what_is_no_json_says_what_stands_there(data: bytes, reason: str) -> None:
    """The reason shows the bytes that are wrong, counted from the beginning of what was sent."""
    assert refusal_of(data).reason.endswith(reason)


@pytest.mark.parametrize("name", ["a\nb", "a\x00\x1b[31mb", "\ud800", "a\u2028b"])
def test_a_reason_is_one_line_whatever_it_quotes(name: str) -> None:
    """Names come from outside: none of them breaks a line, colours a terminal, or cannot be written to a log."""
    error = MalformedError(f"Expected a number - at `$.features.{name}`")
    for text in (str(error), error.reason, error.field):
        assert text.isprintable()
        assert text.encode().decode() == text


def test_a_name_in_another_script_stays_readable() -> None:
    """What can be read is not escaped."""
    assert MalformedError("wrong - at `$.features.größe 😀`").field == "$.features.größe 😀"
