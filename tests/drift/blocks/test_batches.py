"""Batches: the blocks of many partitions at once are those of each alone, to the last bit."""

from __future__ import annotations

import dataclasses
from itertools import accumulate, pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.blocks.block_structs import block_structs
from drift.blocks.measured import BlockEvents, measured
from drift.blocks.runs import Runs
from drift.settings import DriftSettings
from schemas.columns.prediction_columns import FeatureColumn, PredictionColumns
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from schemas.wire.reference import NumericReference, Reference
from tests.support.made_blocks import build_blocks, comparable

DECISIONS = ("accept", "review", "escalate")
SMALL = DriftSettings(block_events_max=7, sample_rows_per_block=3, text_chars_max=4, categories_max=3)


def normal(*edges: float) -> NumericReference:
    return NumericReference(
        count=10, mean=0, sd=1, block_sd=1, minimum=0, maximum=1, edges=edges, histogram=(1,) * (len(edges) + 1),
        quantiles=(0.0,) * 7,
    )  # fmt: skip


REFERENCE = Reference(
    model="m", version="r7", created_at=0, time_min=0, time_max=0, events=10, categorical={},
    numeric={"confidence": normal(0.5), "feature.x": normal(-1.0, 0.0, 0.5, 3.0), "feature.y": normal()},
)  # fmt: skip


class Batch(msgspec.Struct):
    """Events of several partitions, one after the other."""

    events: list[Prediction]
    partitions: list[int]
    offsets: list[int]
    decisions: list[int]

    def blocks(self, chosen: slice, reference: Reference | None) -> list[Any]:
        """The blocks of some of the events, as they arrive."""
        made = build_blocks(
            PredictionColumns.of(self.events[chosen]),
            partitions=self.partitions[chosen],
            offsets=self.offsets[chosen],
            decisions=np.array(self.decisions[chosen], np.int8),
            decision_names=DECISIONS,
            reference=reference,
            settings=SMALL,
        )
        return [msgspec.json.decode(msgspec.json.encode(block)) for block in made]


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.text("ab", max_size=6), st.sampled_from([0.0, 0.5]),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
features = st.one_of(
    st.fixed_dictionaries({"x": st.floats(-5, 5), "y": st.floats(-5, 5), "z": st.sampled_from("abc")}),
    st.dictionaries(st.sampled_from("wxyz"), values, max_size=4),
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Batch, list[int]]:
    """A batch of one to five partitions whose messages hold one event or more, and where each partition begins."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5))
    count = sum(sizes)
    steps = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    codes = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    begins = list(accumulate(sizes, initial=0))
    offsets: list[int] = []
    for begin, size in zip(begins, sizes, strict=False):
        offsets += accumulate(steps[begin : begin + size])
    rows = draw(st.lists(features, min_size=count, max_size=count))
    labels = draw(st.lists(st.sampled_from(("up", "down")), min_size=count, max_size=count))
    events = [
        Prediction(event_id=f"e{index}", model="m", time=1000 - index, features=row, prediction=label, confidence=0.75)
        for index, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]
    partitions = [number for number, size in enumerate(sizes) for _ in range(size)]
    return Batch(events, partitions, offsets, codes), begins


@settings(max_examples=80, deadline=None)
@given(batches(), st.sampled_from((None, REFERENCE)))
def test_one_call_for_all_partitions_gives_the_blocks_of_a_call_for_each(
    made: tuple[Batch, list[int]], reference: Reference | None
) -> None:
    """Ids, figures, orders of names and samples do not depend on what else is in the batch."""
    batch, begins = made
    alone = [block for begin, end in pairwise(begins) for block in batch.blocks(slice(begin, end), reference)]
    together = batch.blocks(slice(None), reference)
    assert together == alone
    assert [list(block["decisions"]) for block in together] == [list(block["decisions"]) for block in alone]
    assert len({block["block_id"] for block in together}) == len(together)


@given(batches())
def test_decisions_are_counted_by_name(made: tuple[Batch, list[int]]) -> None:
    """What the blocks count together is what was decided."""
    batch, _ = made
    counted = dict.fromkeys(DECISIONS, 0)
    for block in batch.blocks(slice(None), None):
        for name, seen in block["decisions"].items():
            counted[name] += seen
    assert list(counted.values()) == [batch.decisions.count(code) for code in range(3)]


def test_runs_end_with_their_partition() -> None:
    """Equal offsets of two partitions are two messages; within one message a run knows what came before it."""
    partitions = np.array([4, 4, 4, 4, 4, 1, 1, 1])
    offsets = np.array([7, 9, 9, 9, 9, 9, 9, 10])
    runs = Runs.of(partitions, offsets, np.array([0, 8]), 2)
    assert runs.starts.tolist() == [0, 2, 4, 5, 7]
    assert runs.sizes.tolist() == [2, 2, 1, 2, 1]
    assert runs.withins.tolist() == [0, 1, 3, 0, 0]
    assert runs.of_events.tolist() == [0, 0, 1, 1, 2, 3, 3, 4]


@pytest.mark.parametrize("block_events_max", [5, 100, 400])
def test_histograms_are_those_of_a_search_among_the_edges(block_events_max: int) -> None:
    """On an edge, between edges, missing: each value is where a search to the right of equals puts it."""
    rng = np.random.default_rng(5)
    edges = {"x": (-1.0, 0.0, 0.5, 3.0), "y": (), "z": tuple(np.linspace(-2, 2, 99).tolist())}
    columns = {name: rng.choice([*edges["x"], -7.5, 0.25, 9.0, *edges["z"][:9]], 900).tolist() for name in edges}
    columns["x"][3:700] = [None] * 697
    events = [
        Prediction(
            event_id=f"e{index}", model="m", time=0, features=dict(zip(columns, row, strict=True)), prediction="a",
            confidence=0.5,
        )
        for index, row in enumerate(zip(*columns.values(), strict=True))
    ]  # fmt: skip
    reference = msgspec.structs.replace(
        REFERENCE, numeric={f"feature.{name}": normal(*own) for name, own in edges.items()}
    )
    blocks = blocks_of(PredictionColumns.of(events), reference, DriftSettings(block_events_max=block_events_max))
    for name, own in edges.items():
        for number, block in enumerate(blocks):
            part = columns[name][number * block_events_max : (number + 1) * block_events_max]
            present = [value for value in part if value is not None]
            if present:
                bins = np.bincount(np.searchsorted(own, present, side="right"), minlength=len(own) + 1)
                assert block.numeric[f"feature.{name}"].histogram == tuple(bins.tolist())


def blocks_of(events: PredictionColumns, reference: Reference | None, chosen: DriftSettings) -> list[Block]:
    """Blocks of one partition."""
    count = len(events)
    return build_blocks(
        events,
        partitions=np.zeros(count, np.int64),
        offsets=range(count),
        decisions=np.zeros(count, np.int8),
        decision_names=DECISIONS,
        reference=reference,
        settings=chosen,
    )


def test_numbers_may_come_as_an_array() -> None:
    """An array with NaN for None is the same feature."""
    given_values: list[float | None] = [1.5, None, -3.0, 2.0] * 30
    events = [
        Prediction(event_id=f"e{index}", model="m", time=0, features={"x": x}, prediction="a", confidence=0.5)
        for index, x in enumerate(given_values)
    ]
    listed = PredictionColumns.of(events)
    column = FeatureColumn(np.array(given_values, np.float64), listed.features["x"].types)  # type: ignore[arg-type]
    as_array = dataclasses.replace(listed, features={"x": column})
    assert blocks_of(as_array, REFERENCE, SMALL) == blocks_of(listed, REFERENCE, SMALL)


@pytest.mark.parametrize("distinct", [2, 64, 65, 300])
def test_texts_are_counted_alike_however_many_there_are(distinct: int) -> None:
    """Counts, missing and the order of names are those of a plain count of each run."""
    rng = np.random.default_rng(distinct)
    texts = [None if number == 1 else f"t{number}" for number in rng.integers(0, distinct, 1_000).tolist()]
    events = [
        Prediction(event_id=f"e{index}", model="m", time=0, features={"x": text}, prediction="a", confidence=0.5)
        for index, text in enumerate(texts)
    ]
    for number, block in enumerate(blocks_of(PredictionColumns.of(events), None, DriftSettings(categories_max=100))):
        part = texts[number * 100 : number * 100 + 100]
        expected = {text: part.count(text) for text in part if text is not None}
        assert list(block.categorical["feature.x"].counts.items()) == list(expected.items())
        assert block.categorical["feature.x"].missing == part.count(None)


def test_a_decision_without_a_name_is_refused() -> None:
    """A code beyond the names would be counted as another run's."""
    events = [Prediction(event_id="e", model="m", time=0, features={}, prediction="a", confidence=0.5)]
    with pytest.raises(ValueError, match="a decision beyond the 3 that have names"):
        Batch(events, [0], [0], [3]).blocks(slice(None), None)


@settings(max_examples=80, deadline=None)
@given(batches(), st.sampled_from([1, 100]))
def test_all_models_in_one_pass_are_each_alone(made: tuple[Batch, list[int]], features_max: int) -> None:
    """Whatever models have values of a feature, a reference, or features that a limit leaves out."""
    batch, begins = made
    columns = dataclasses.replace(
        PredictionColumns.of(batch.events),
        models=tuple(f"m{number}" for number in range(len(begins) - 1)),
        bounds=np.array(begins),
    )
    events = BlockEvents(
        columns,
        np.array(batch.partitions) % 2,
        np.array(batch.offsets),
        np.array(batch.decisions, np.int8),
        DECISIONS,
        [None if number % 3 == 1 else REFERENCE for number in range(len(begins) - 1)],
    )
    chosen = msgspec.structs.replace(SMALL, features_watched_max=features_max)
    together = [block for piece in measured(events, chosen) for block in block_structs(piece)]
    alone = [block for one in events.by_model() for piece in measured(one, chosen) for block in block_structs(piece)]
    assert list(map(comparable, together)) == list(map(comparable, alone))
    assert sum(block.events for block in together) == len(batch.events)
