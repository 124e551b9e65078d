"""Predictions and verdicts as columns hold what they would hold as rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns.verdict_columns import batch_of_verdicts
from schemas.wire.base import Scalar
from schemas.wire.prediction import Prediction, epoch_ms
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import prediction_row, verdict_row
from warehouse.client import Warehouse
from warehouse.store.arrow_columns import Identities, encode_columns, prediction_columns, verdict_columns
from warehouse.store.feature_maps import FeatureMaps, feature_maps, joined_features, split_features
from warehouse.store.inserts import ColumnInsert

IDENTITY = {"_topic_id", "_partition", "_offset", "_index"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
EDGES = [sign * (size + step) for sign in (1, -1) for size in (2**53, 2**63, 2**64, 10**76) for step in (-1, 0, 1)]
INTEGERS = st.integers(-(10**150), 10**150) | st.sampled_from(EDGES) | st.integers(10**18, 10**19)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | INTEGERS | st.booleans()
NAMES = st.sampled_from(["a", "b", "ü", "x y"])


def prediction(**changed: Any) -> Prediction:
    plain = {"event_id": "e", "model": "m", "time": 5, "features": {}, "prediction": "x", "confidence": 0.5}
    return Prediction(**{**plain, **changed})


def verdict(**changed: Any) -> Verdict:
    plain = {"event_id": "e", "model": "m", "time": 5, "decision": "accept", "decided_at": 6}
    return Verdict(**{"uncertainty": 0.5, "inclusion_probability": 0.1, **plain, **changed})


def batch_of(values: list[Any]) -> Any:
    row_identities = Identities("id", 3, range(len(values)), [0] * len(values))
    if isinstance(values[0], Verdict):
        return verdict_columns([batch_of_verdicts(values)], row_identities)
    return prediction_columns(values, [epoch_ms(value.time) for value in values], row_identities)


def maps_of(features: list[dict[str, Scalar]]) -> list[FeatureMaps]:
    rows = zip(*(column.to_pylist() for column in feature_maps(features)), strict=True)
    return [FeatureMaps(dict(n), {name: int(text) for name, text in i}, dict(t)) for n, i, t in rows]


def exactly(value: object) -> str:
    """Equal texts only where each number is the same double, zero's sign included, in the same order."""
    return repr(value)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(NAMES, NUMBERS | TEXTS | st.none(), max_size=4), min_size=1, max_size=6))
def test_features_of_any_shape(features: list[dict[str, Scalar]]) -> None:
    """Numbers and texts of events with different names and kinds of values are split as one by one."""
    assert exactly(maps_of(features)) == exactly([split_features(event) for event in features])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_features_of_one_shape(data: st.DataObject) -> None:
    """The quick way for events alike does the same, and what is unlike only in the last event does not take it."""
    shape = data.draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    strategies = data.draw(
        st.lists(
            st.sampled_from([NUMBERS, TEXTS, st.integers(10**18, 10**19)]), min_size=len(shape), max_size=len(shape)
        )
    )
    maps = st.fixed_dictionaries(dict(zip(shape, strategies, strict=True)))
    features = data.draw(st.lists(maps, min_size=1, max_size=6))
    last = data.draw(st.sampled_from([[], [{}], [{shape[0]: None}], [dict.fromkeys(reversed(shape), 1)]]))
    assert exactly(maps_of(features + last)) == exactly([split_features(event) for event in features + last])


@given(st.dictionaries(NAMES, INTEGERS, max_size=4))
def test_integers_keep_their_digits(features: dict[str, Scalar]) -> None:
    """Whatever its size, every digit of an integer is in one of the maps, and a double is one that holds it."""
    numbers, integers, texts = split_features(features)
    assert {name: int(value) for name, value in (numbers | integers | texts).items()} == features
    assert all(abs(value) <= 2**53 for value in numbers.values())
    assert joined_features(numbers, integers, {}) == {
        name: value for name, value in features.items() if name not in texts
    }


@pytest.mark.servers
@pytest.mark.parametrize(("table", "value"), [("predictions", prediction()), ("verdicts", verdict())])
def test_every_column_of_the_table_is_filled(table: str, value: Any, warehouse: Warehouse) -> None:
    """A column that is added to a table, or a field to a verdict, is not forgotten here."""
    of_table = warehouse.query(
        f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{table}'"
    )
    names = batch_of([value]).schema.names
    assert {row["name"] for row in of_table} - {"_stored_at"} == set(names)
    assert set(names) == IDENTITY | set(verdict_row(value) if table == "verdicts" else prediction_row(value))


def test_slices_and_joins_are_the_rows() -> None:
    """A part of an insert, and parts joined again, hold their rows, dictionaries that differ included."""
    events = [
        prediction(event_id=f"e{n}", model=f"m{n % 3}", features={f"f{n}": n, "t": str(n)}, slices={"s": str(n)})
        for n in range(9)
    ]
    whole = ColumnInsert(batch_of(events))
    rows = whole.batch.to_pylist()
    parts = [whole.part(0, 2), whole.part(2, 7), whole.part(7, 9)]
    assert [row for part in parts for row in read(part)] == rows
    assert read(parts[0].joined(parts[1:])) == rows
    apart = [ColumnInsert(batch_of([event])) for event in events]
    joined = read(apart[0].joined(apart[1:]))
    assert [{**row, "_offset": n} for n, row in enumerate(joined)] == rows


def read(insert: ColumnInsert) -> list[dict[str, Any]]:
    (batch,) = pa.ipc.open_stream(insert.block())
    return batch.to_pylist()  # type: ignore[no-any-return]


def test_a_part_is_not_sent_with_the_rest() -> None:
    """The block of a part is small: halving until a bad row stands alone does not send all again and again."""
    whole = batch_of([prediction(event_id=f"e{n:060d}", features={"a": n, "b": "x" * 50}) for n in range(2_000)])
    assert len(encode_columns(whole.slice(1_000, 1))) < len(encode_columns(whole)) / 50
