"""Hashes of event ids: draws are those of zlib's crc32, identities those of one keyed function, in every encoding."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import hashing
from schemas import id_words as words_module
from schemas.hashing import id_hashes
from schemas.id_words import ID_BYTES_MAX, id_words
from schemas.identities import identities, model_salt

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "\0", "\0\0", "a\0", "\0a", "a" * 8, "é" * 400, "x" * 800, "x" * 801, "\U0001f600" * 200, "x" * 5_000]
)
IDS = st.lists(TEXTS, max_size=30)


def arrays_of(ids: list[str]) -> list[pa.Array]:
    """The ids in Arrow arrays of both sizes of offsets, and as slices of longer ones."""
    around = ["before", *ids, "behind it"]
    return [
        pa.array(ids, pa.string()),
        pa.array(ids, pa.large_string()),
        pa.array(around, pa.string())[1:-1],
        pa.array(around, pa.large_string())[1:-1],
    ]


@pytest.fixture(params=["one by one", "as arrays"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to make words of ids: that of few, and that of many."""
    for module in (words_module, hashing):
        monkeypatch.setattr(module, "FEW_IDS", 10_000 if request.param == "one by one" else -1)


@pytest.mark.usefixtures("few")
def test_draws_are_those_of_crc32() -> None:
    """``id_hashes`` is zlib's crc32 of the UTF-8, as a list and in any Arrow array: no audit draws another sample."""

    @given(IDS.filter(bool))
    @settings(max_examples=150, deadline=None)
    def same(ids: list[str]) -> None:
        expected = [zlib.crc32(text.encode()) for text in ids]
        assert id_hashes(ids).tolist() == expected
        for array in arrays_of(ids):
            assert id_hashes(array).tolist() == expected

    same()


@pytest.mark.usefixtures("few")
def test_an_id_has_one_identity_in_every_encoding_and_company() -> None:
    """A retry is known, whether it comes alone as JSON or in an Arrow message with ids of other lengths."""

    @given(IDS.filter(bool))
    @settings(max_examples=150, deadline=None)
    def same(ids: list[str]) -> None:
        alone = [int(identities([text], 5)[0]) for text in ids]
        for array in (ids, *arrays_of(ids)):
            assert identities(array, 5).tolist() == alone
        assert len(set(alone)) == len(set(ids))

    same()


def test_no_ids_have_no_hashes() -> None:
    """An empty list or array is answered with an empty array."""
    for ids in ([], pa.array([], pa.string()), pa.array(["a"])[:0]):
        assert identities(ids, 1).tolist() == id_hashes(ids).tolist() == []


def test_each_event_may_have_a_model_of_its_own() -> None:
    """One call for events of many models gives what a call for each model gives; the same id is another event."""
    ids, models = ["a", "b", "a", "c"] * 100, ["m", "m", "n", "n"] * 100
    salts = np.array([model_salt(model) for model in models], np.uint64)
    expected = [int(identities([text], model_salt(model))[0]) for text, model in zip(ids, models, strict=True)]
    assert identities(ids, salts).tolist() == expected
    assert len(set(expected)) == 4


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_models_have_salts_of_their_own(first: str, second: str) -> None:
    """Two models have one salt if they are one model."""
    assert (model_salt(first) == model_salt(second)) == (first == second)


def test_ids_that_look_alike_are_told_apart_and_spread() -> None:
    """Ids in a row have as many identities, and those lie everywhere, not side by side."""
    values = np.sort(identities([f"{number:012}" for number in range(200_000)], model_salt("m")))
    assert (values[1:] != values[:-1]).all()
    counts = np.bincount((values >> np.uint64(54)).astype(np.int64), minlength=1024)
    expected = len(values) / 1024
    assert ((counts - expected) ** 2 / expected).sum() < 1_300  # chi-squared, 1,023 degrees: once in 10**8


def test_another_process_hashes_otherwise() -> None:
    """Nobody can find ids with one identity beforehand: keys are drawn when a process begins."""
    script = "from schemas.identities import identities, model_salt; print(identities(['a'], 0)[0], model_salt('m'))"
    said = {subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 2


def test_a_null_is_no_id() -> None:
    """An Arrow array with a null is refused, whatever bytes lie under it."""
    for ids in (pa.array(["a", None]), pa.array(["a", None] * 1_000)):
        with pytest.raises(ValueError, match="an event id is null"):
            identities(ids, 1)


@pytest.mark.parametrize("as_array", [False, True])
def test_a_long_id_among_many_short_ones_costs_little_memory(as_array: bool) -> None:
    """The short ids are not padded to the longest: memory is a small multiple of the bytes of the ids."""
    texts = ["x" * ID_BYTES_MAX, *(f"{number:06}" for number in range(100_000)), "y" * 100_000]
    ids = pa.array(texts) if as_array else texts
    identities(ids, 1), id_hashes(ids)
    tracemalloc.start()
    try:
        identities(ids, 1), id_hashes(ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000  # padded, they would take 80 MB


def test_words_are_in_blocks_of_limited_size() -> None:
    """Whatever the mixture of lengths is, each id is in one block, and padding at most doubles the words."""
    lengths = [0, 1, 7, 8, 9, 64, 300, 800] * 300 + [3] * 20_000
    ids = ["x" * length for length in lengths]
    blocks = list(id_words(ids).blocks)
    assert sorted(row for block in blocks for row in np.arange(len(ids))[block.rows].tolist()) == list(range(len(ids)))
    assert max(block.words.size for block in blocks) <= words_module.BLOCK_WORDS_MAX
    assert sum(block.words.size for block in blocks) <= 2 * sum(max(1, -(-length // 8)) for length in lengths)
