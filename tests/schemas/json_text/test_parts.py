"""Parts of JSON that does not decode: told apart as a decoder would, or not at all."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.json_text import parts as json_parts
from schemas.json_text.errors import MalformedError
from schemas.json_text.parts import decoded_apart, elements_apart, members_apart

JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{},:"\\ aä\x07', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[],:"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
ODD = (
    b"NaN",
    b"-Infinity",
    b'"\\ud800"',
    b'"\\q"',
    b'"a\x01,]"',
    b"01",
    b'{"a":tru}',
    b"[" * 2_000 + b"]" * 2_000,
    b"",
)
MIB = 1024 * 1024


@given(st.lists(JSON, max_size=8), st.sampled_from([None, 1]), st.booleans(), st.sampled_from([3, 256 * 1024]))
def test_right_arrays_are_told_apart_as_decoders_do(
    values: list[Any], indent: int | None, ascii_only: bool, at_once: int
) -> None:
    """Each element is the bytes that the decoder gives for it, however the array is laid out and looked at."""
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_parts, "BYTES_AT_ONCE", at_once)
        assert elements_apart(data, 10) == list(map(bytes, msgspec.json.decode(data, type=list[msgspec.Raw])))


@given(st.dictionaries(st.text(alphabet='[],:"\\aä', max_size=4), JSON, max_size=5), st.sampled_from([None, 1]))
def test_right_objects_are_told_apart_as_decoders_do(values: dict[str, Any], indent: int | None) -> None:
    """So are names and values, whatever stands in them."""
    members = members_apart(json.dumps(values, indent=indent).encode(), 10)
    assert members is not None
    assert {json.loads(b'"%s"' % name): json.loads(value) for name, value in members} == values


@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.sampled_from(ODD), min_size=2, max_size=8))
def test_an_odd_element_leaves_the_others_their_places(elements: list[bytes]) -> None:
    """What is wrong within an element moves none of its neighbours."""
    assert elements_apart(b"[ " + b" ,\n".join(elements) + b"\t]", 10) == elements


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[", b"]", b"{}", b'{"a":1,"b":2}', b"1,2", b"[1,2", b"1,2]", b"[1],[2]", b"[1] [2]", b"[1]]", b"[[1,2]",
        b"[1,2}", b'["a,2]', b'["a\\",2]', b" [1]", b"[1] ", b"[1]\n[2]\n", b"[" * 5_000, b'["' + b"\\" * 5_001 + b'"]',
    ],
)  # fmt: skip
def test_what_is_no_array_is_not_told_apart(data: bytes) -> None:
    """An array is one from its first byte to its last: nothing is made of what only looks like one."""
    assert elements_apart(data, 10) is None


@pytest.mark.parametrize(
    "data", [b"[]", b'{"a":1', b'{"a":1}}', b"{1:2}", b"{a:1}", b'{"a" 1}', b'{"a":"x}', b'{,"a":1}']
)
def test_what_is_no_object_is_not_told_apart(data: bytes) -> None:
    """Every member has a name in quotes."""
    assert members_apart(data, 10) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_taken(data: bytes) -> None:
    """Whatever stands between brackets gives parts or nothing, and never an error; parts are of these bytes."""
    separated = elements_apart(b"[" + data + b"]", 100)
    assert separated is None or all(element in data for element in separated)
    members_apart(b"{" + data + b"}", 100)


def test_more_than_there_may_be_are_not_told_apart() -> None:
    """The bound holds to the very element."""
    assert elements_apart(b"[1,2,3]", 3) == [b"1", b"2", b"3"]
    assert elements_apart(b"[1,2,3]", 2) is None
    assert members_apart(b'{"a":1,"b":2}', 1) is None


@pytest.mark.parametrize("data", [b"[" + b"[" * 4 * MIB, b'["' + b'\\"' * 2 * MIB, b"[" + b"1," * 2 * MIB + b"1]"])
def test_memory_is_of_the_order_of_the_bytes(data: bytes) -> None:
    """Nothing is kept of each bracket, quote or comma of a message that means no good."""
    tracemalloc.start()
    try:
        assert elements_apart(data, 10_000) is None
        assert tracemalloc.get_traced_memory()[1] < 6 * len(data)
    finally:
        tracemalloc.stop()


def test_each_element_is_decoded_alone() -> None:
    """Right ones are there, wrong ones say why, and of what is no array nothing is."""
    data = b'[1, NaN, "x", 2]'
    apart = decoded_apart(data, msgspec.json.Decoder(int).decode, 10)
    assert apart.items == [b"1", b"NaN", b'"x"', b"2"]
    assert apart.readable == {0: 1, 3: 2}
    assert {index: error.reason[:22] for index, error in apart.wrong.items()} == {
        1: "NaN (byte 0): JSON has", 2: "Expected `int`, got `s",
    }  # fmt: skip
    with pytest.raises(MalformedError, match="truncated"):
        decoded_apart(b'[1, "', msgspec.json.Decoder(int).decode, 10)
