"""Blocks: what they count is what was in the events."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.blocks.measured import block_id_of
from drift.settings import DriftSettings
from schemas import codec
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from schemas.wire.reference import NumericReference, Reference
from tests.support.made_blocks import build_blocks

SETTINGS = DriftSettings()


def event(index: int, features: dict[str, Any], **more: Any) -> Prediction:
    given_fields = {"prediction": "a", "confidence": 0.9, **more}
    return Prediction(event_id=f"e{index}", model="m", time=1000 + index, features=features, **given_fields)


def build(
    events: list[Prediction], chosen: DriftSettings = SETTINGS, reference: Reference | None = None
) -> list[Block]:
    return build_blocks(
        PredictionColumns.of(events),
        partitions=[3] * len(events),
        offsets=range(len(events)),
        decisions=np.zeros(len(events), np.int8),
        decision_names=("accept",),
        reference=reference,
        settings=chosen,
    )


def reference_on(edges: tuple[float, ...]) -> Reference:
    normal = NumericReference(
        count=10, mean=0, sd=1, block_sd=1, minimum=0, maximum=1, edges=edges, histogram=(1,) * (len(edges) + 1),
        quantiles=(0.0,) * 7,
    )  # fmt: skip
    return Reference(
        model="m", version="r7", created_at=0, time_min=0, time_max=0, events=10, numeric={"feature.x": normal},
        categorical={},
    )  # fmt: skip


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3), min_size=1, max_size=40))
def test_counts_agree_with_the_events_one_by_one(rows: list[dict[str, Any]]) -> None:
    """Whatever mixture of kinds comes, numbers, texts and moments are those of a plain loop, and JSON carries them."""
    blocks = build([event(index, row) for index, row in enumerate(rows)], DriftSettings(block_events_max=15))
    for number, block in enumerate(blocks):
        part = rows[number * 15 : number * 15 + 15]
        assert block.events == len(part)
        for name in "xyz":
            cells = [row.get(name) for row in part]
            numbers = [float(max(-1e100, min(1e100, v))) for v in cells if isinstance(v, int | float)]
            summary = block.numeric.get(f"feature.{name}")
            assert (summary.count if summary else 0) == len(numbers)
            if summary:
                assert (summary.minimum, summary.maximum) == (min(numbers), max(numbers))
                scale = max(map(abs, numbers))
                assert math.isclose(summary.mean, math.fsum(numbers) / len(numbers), abs_tol=1e-9 * scale)
                assert math.isfinite(summary.m2)
            texts = block.categorical.get(f"feature.{name}")
            assert (sum(texts.counts.values()) if texts else 0) == sum(isinstance(v, str) for v in cells)
        assert codec.decode(Block, codec.encode(block)).events == block.events


def test_mixed_feature_is_counted_as_number_and_as_text() -> None:
    """A feature that comes as both is in both summaries, and only what is neither is missing."""
    (block,) = build([event(0, {"x": 1}), event(1, {"x": "one"}), event(2, {"x": None}), event(3, {})])
    assert block.numeric["feature.x"].count == 1
    assert block.categorical["feature.x"].counts == {"one": 1}
    assert block.categorical["feature.x"].missing == 2


def test_integers_beyond_a_double_are_clipped_and_what_is_missing_stays_missing() -> None:
    """JSON may hold an integer of any size; it counts as the largest number there is."""
    (block,) = build([event(index, {"x": x}) for index, x in enumerate([10**400, None, -(10**400), 0.5])])
    summary = block.numeric["feature.x"]
    assert (summary.count, summary.missing, summary.minimum, summary.maximum) == (3, 1, -1e100, 1e100)


@pytest.mark.parametrize("different", [2, 200])
def test_a_category_is_the_same_however_its_letters_are_put_together(different: int) -> None:
    """Composed and decomposed letters (NFC, NFD) are one category, in the counts, the sample and the bounds of both."""
    rows = [{"x": f"{letter}{number}"} for number in range(different) for letter in ("\u00e9", "e\u0301")]
    names = {f"\u00e9{number}" for number in range(different)}
    for block in build([event(index, row) for index, row in enumerate(rows)], DriftSettings(categories_max=1_000)):
        assert {row.features["x"] for row in block.sample} <= names
        counts = block.categorical["feature.x"].counts
        assert set(counts) <= names
        assert set(counts.values()) == {2}


def test_booleans_are_numbers() -> None:
    """True and False are 1 and 0."""
    (block,) = build([event(index, {"x": index % 2 == 0}) for index in range(4)])
    assert (block.numeric["feature.x"].mean, block.numeric["feature.x"].maximum) == (0.5, 1.0)


def test_a_value_on_an_edge_belongs_to_the_bin_above() -> None:
    """The histogram is on the named reference's edges."""
    rows = [-5.0, 0.0, 0.5, 1.0, 9.0]
    (block,) = build([event(index, {"x": x}) for index, x in enumerate(rows)], reference=reference_on((0.0, 1.0)))
    assert block.reference_version == "r7"
    assert block.numeric["feature.x"].histogram == (1, 2, 2)
    assert block.numeric["confidence"].histogram == ()


def test_sample_holds_the_smallest_hashes_and_all_rows_without_a_reference() -> None:
    """With a reference the sample is bottom-k; before it every row is kept, so the first reference is exact."""
    events = [event(index, {"x": float(index)}) for index in range(80)]
    (whole,) = build(events)
    (thin,) = build(events, reference=reference_on((0.0,)))
    assert len(whole.sample) == 80
    assert thin.sample == whole.sample[: SETTINGS.sample_rows_per_block]
    assert [row.hash for row in whole.sample] == sorted(row.hash for row in whole.sample)


def test_the_sample_stays_within_its_bytes() -> None:
    """Wide rows are left out rather than making a message too large for the broker."""
    chosen = DriftSettings(sample_bytes_max=20_000)
    (block,) = build([event(index, {f"f{n}": "x" * 300 for n in range(90)}) for index in range(50)], chosen)
    assert 0 < len(block.sample) < 50
    assert len(msgspec.json.encode(block.sample)) <= 20_000


def test_features_and_categories_beyond_their_limits() -> None:
    """The first features by name are watched; rare categories are counted in ``other``."""
    chosen = DriftSettings(features_watched_max=1, categories_max=2)
    (block,) = build([event(index, {"b": 1.0, "a": f"c{index % 4}"}) for index in range(9)], chosen)
    assert set(block.numeric) == {"confidence"}
    assert block.categorical["feature.a"].counts == {"c0": 3, "c1": 2}
    assert block.categorical["feature.a"].other == 4
    assert set(block.sample[0].features) == {"a"}


def test_features_with_very_long_names_are_not_watched() -> None:
    """A signal's name fits into its field; a feature whose name would not is left out, and takes nobody's place."""
    chosen = DriftSettings(features_watched_max=1)
    (block,) = build([event(0, {"a" * 193: 1.0, "b" * 192: 2.0})], chosen)
    assert set(block.numeric) == {"confidence", "feature." + "b" * 192}


def test_category_names_stay_within_their_bytes() -> None:
    """Many long texts cannot make a block that the broker refuses; what is not named is still counted."""
    rows = [{f"f{n:02}": f"{index}\x01" + "é" * 150 for n in range(60)} for index in range(100)]
    (block,) = build([event(index, row) for index, row in enumerate(rows)])
    assert len(msgspec.json.encode(block)) < 600_000
    for signal, counts in block.categorical.items():
        assert sum(counts.counts.values()) + counts.other == 100, signal
    assert block.categorical["feature.f59"].counts == {}
    assert len(block.categorical["feature.f00"].counts) == 50


def test_blocks_of_one_array_message_have_ids_of_their_own() -> None:
    """Offsets repeat where one message holds many events; block ids do not."""
    events = [event(index, {}) for index in range(250)]
    blocks = build_blocks(
        PredictionColumns.of(events),
        partitions=[0] * 250,
        offsets=[7] * 250,
        decisions=np.ones(250, np.int8),
        decision_names=("accept", "review"),
        reference=None,
        settings=SETTINGS,
    )
    assert [block.block_id for block in blocks] == ["m/0/7.0", "m/0/7.100", "m/0/7.200"]
    assert blocks[-1].decisions == {"review": 50}


def test_an_id_fits_whatever_the_model_is_called() -> None:
    """A long model name is cut and told apart by its hash."""
    ids = {block_id_of("m" * 199 + end, 0, 10**15, 99) for end in "ab"}
    assert len(ids) == 2
    assert max(map(len, ids)) <= 200


def test_unequal_lengths_are_refused() -> None:
    """The message says what does not fit."""
    with pytest.raises(ValueError, match="1 events with 1 partitions, 2 offsets and 1 decisions"):
        build_blocks(
            PredictionColumns.of([event(0, {})]),
            partitions=[0],
            offsets=[1, 2],
            decisions=np.zeros(1, np.int8),
            decision_names=("accept",),
            reference=None,
            settings=SETTINGS,
        )


def test_the_cut_into_batches_changes_no_figure(stream: Any) -> None:
    """The same hundred events give the same block inside a large batch and alone."""
    events = stream(300)
    together = build(events)[0]
    alone = build(events[:100])[0]
    assert together == alone
