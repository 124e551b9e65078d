"""Parts put together for the judge: each event once, in order, and within a number of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Prediction
from streams.predictions import parts as parts_module
from streams.predictions.parts import Part, rounds
from tests.support.arrow_reading import read, record
from tests.support.prediction_fields import prediction_fields


def part_of(model: str, first: int, names: list[str]) -> Part:
    """A part of one model, with an event for each name, which has the feature of that name."""
    events = [
        Prediction(f"e-{first + number}", model, number, {name: 1.0}, "a", confidence=0.5)
        for number, name in enumerate(names)
    ]
    offsets = np.arange(first, first + len(events))
    return Part(PredictionColumns.of(events), np.zeros_like(offsets), offsets, np.zeros_like(offsets))


def cells_of(part: Part) -> int:
    """The entries of all feature columns of a part."""
    return len(part.columns) * len(part.columns.features)


@given(
    st.lists(
        st.tuples(st.sampled_from("mn"), st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4)), max_size=8
    ),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_rounds_hold_each_event_once(pieces: list[tuple[str, list[str]]], cells_max: int) -> None:
    """No round has a model twice, a model's events stay in order, and only a piece that came so is too large."""
    given_parts, first = [], 0
    for model, names in pieces:
        given_parts.append(part_of(model, first, names))
        first += len(names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "CELLS_MAX", cells_max)
        made = rounds(given_parts)
    largest = max(map(cells_of, given_parts), default=0)
    for parts in made:
        models = [model for part in parts for model in part.columns.models]
        assert len(set(models)) == len(models)
        assert all(cells_of(part) <= max(cells_max, largest) for part in parts)
    for model in "mn":
        ids = [
            event_id
            for parts in made
            for part in parts
            for number, name in enumerate(part.columns.models)
            if name == model
            for event_id in part.of_model(number).columns.event_ids.texts
        ]
        expected = [i for part in given_parts if part.columns.model == model for i in part.columns.event_ids.texts]
        assert ids == expected


def test_events_with_names_of_their_own_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every event brings new names, columns are made of as many events as have so many cells together."""
    monkeypatch.setattr(parts_module, "CELLS_MAX", 200)
    values = [prediction_fields(n, features={f"x{n}-{k}": 1.5 for k in range(10)}) for n in range(30)]
    readings = read([record(json.dumps(values).encode(), headers=[])])
    assert sum(len(part.columns) for part in readings.parts) == 30
    assert len(readings.parts) > 5
    assert all(cells_of(part) <= 200 for part in readings.parts)
