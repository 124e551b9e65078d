"""INTAKE accepts every event of an accepted table; a row that INTAKE would reject is refused with its number."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.wire.prediction import FEATURES_MAX
from streams.predictions.prediction_reader import PredictionReader
from tests.support.plain_record import PREFIX, PlainRecord
from watchloop.errors import WrongTable
from watchloop.recorded.checks.wire_check import check_rows
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable, recorded_answers
from watchloop.recorded.table import RecordedTable

Read = Callable[..., Any]
Refused = Callable[..., str]

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
ROWS = 5
ROLES = {"truth", "said", "sure", "when", "x"}

words = st.text(max_size=4) | st.sampled_from(["true", "1", "1.0", "007", "NaN", " ", "y" * 200, "\x00", "\u2028"])
values = (st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), words, st.decimals(-(10**6), 10**6, places=2))
columns_of_values = st.one_of(*(st.lists(st.none() | value, min_size=ROWS, max_size=ROWS) for value in values))
few_labels = st.sampled_from(
    [[1, 0], ["a", "b"], [True, False], [1.0, 0.0], ["y" * 200, "1"], ["y" * 201, "b"], ["\x00", "b"]]
)
BEGIN_MS = NOW_MS - 10**10


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Columns of any names, types and values, some of them with a defect."""
    names = draw(st.lists(words.filter(lambda name: name not in ROLES), max_size=4, unique=True))
    columns: dict[str, list[Any]] = {name: draw(columns_of_values) for name in names}
    columns["x"] = draw(st.lists(st.floats(), min_size=ROWS, max_size=ROWS))
    for role in ("truth", "said"):
        columns[role] = draw(st.lists(st.sampled_from(draw(few_labels)), min_size=ROWS, max_size=ROWS))
    if draw(st.integers(0, 3)):
        columns["said"] = columns["truth"]
    columns["sure"] = draw(st.lists(st.floats(-0.0001, 1.0201), min_size=ROWS, max_size=ROWS))
    latest = NOW_MS + DAY_MS + draw(st.sampled_from([0, 0, 0, 1]))
    columns["when"] = draw(st.lists(st.integers(BEGIN_MS, NOW_MS) | st.just(latest), min_size=ROWS, max_size=ROWS))
    return columns


def read_by_intake(source: Replayable) -> Any:
    """The result of INTAKE for the messages that a replay sends."""
    records = [
        PlainRecord(encode(prediction), number=number, time_ms=NOW_MS)
        for number, prediction in enumerate(source.predictions(0, len(source)))
    ]
    return PredictionReader(PREFIX, future_ms_max=DAY_MS).read([records], now_ms=NOW_MS)


def outcome(path: pathlib.Path, slices: tuple[str, ...]) -> tuple[Replayable | None, str]:
    """The rows that would be replayed, or the error."""
    roles = Columns(label="truth", prediction="said", confidence="sure", time="when", time_unit="ms", slices=slices)
    try:
        source = recorded_answers(RecordedTable.load(path, roles), model="m")
        check_rows(source, now_ms=NOW_MS, future_ms_max=DAY_MS, bytes_max=1024 * 1024)
    except WrongTable as error:
        return None, str(error)
    return source, ""


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tables(), st.booleans())
def test_what_is_accepted_is_accepted_by_intake(tmp_path: pathlib.Path, columns: dict[str, Any], sliced: bool) -> None:
    """Any table is refused in one line, or INTAKE reads every event of it once and rejects none."""
    path = tmp_path / "any.arrow"
    pyarrow.feather.write_feather(pa.table(columns), path)
    others = tuple(name for name in columns if name not in ROLES)
    source, message = outcome(path, others if sliced else ())
    event("accepted" if source else "refused")
    if source is None:
        assert message.isprintable()
        assert len(message) < 1_200
        return
    read = read_by_intake(source)
    assert read.rejects == []
    ids = [event_id for part in read.parts for event_id in part.columns.event_ids.texts]
    assert ids == [f"m-{n}" for n in range(ROWS)]


@pytest.mark.parametrize(
    ("columns", "options", "says"),
    [
        ({"f": ["z" * 1_100_000] * 2}, {}, "row 0: would be rejected: 1100"),
        ({"f" * 201: [1, 2]}, {}, "has 201 characters; that of a feature has at most 200"),
        ({f"f{n}": [1, 2] for n in range(FEATURES_MAX)}, {}, f"{FEATURES_MAX + 1} columns would be features"),
        ({f"f{n}": [1, 2] for n in range(10_000)}, {}, "10001 columns would be features"),
        ({"truth": ["a", "b" * 201], "said": ["a", "a"]}, {}, "row 1: column 'truth' (--label): 201 characters"),
        (
            {"truth": ["a", "b\x00"], "said": ["a", "a"]},
            {},
            "row 1: column 'truth' (--label): 'b\\x00' holds the control",
        ),
        (
            {"truth": ["a", "b"], "said": ["a", "b\n1"]},
            {},
            "row 1: column 'said' would be rejected: 'b\\n1' holds the",
        ),
        ({"truth": ["a", "b"], "said": ["a", "b" * 201]}, {}, "row 1: column 'said' would be rejected"),
        ({f"s{n}": ["a", "b"] for n in range(51)}, {"slices": tuple(f"s{n}" for n in range(51))}, "would be rejected"),
        ({"s": ["a", "b" * 201]}, {"slices": ("s",)}, "row 1: column 's' would be rejected"),
        ({"when": [NOW_MS, NOW_MS + DAY_MS + 1]}, {"time": "when"}, "row 1: column 'when' would be rejected"),
    ],
    ids=[
        "bytes",
        "name",
        "features",
        "columns",
        "label",
        "odd label",
        "odd prediction",
        "prediction",
        "slices",
        "slice",
        "future",
    ],
)
def test_what_intake_would_reject_is_refused(
    refused: Refused, columns: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    """The error comes before anything runs, with the row and the column."""
    assert says in refused(columns, **options)


def test_a_long_name_of_the_model_is_named(tmp_path: pathlib.Path) -> None:
    """The name of the model is part of every event's id."""
    path = tmp_path / "short.csv"
    path.write_text("x,said,sure\n1,a,0.5\n")
    source = recorded_answers(RecordedTable.load(path, Columns(prediction="said", confidence="sure")), model="m" * 199)
    with pytest.raises(WrongTable, match="row 0: the model's name 'mmm"):
        check_rows(source, now_ms=NOW_MS, future_ms_max=DAY_MS, bytes_max=1024 * 1024)


def test_as_many_features_as_a_prediction_may_have(read: Read) -> None:
    """A prediction has at most a thousand features, which --features may choose from a wider table."""
    wide = {f"f{n}": [1, 2] for n in range(FEATURES_MAX)}
    assert len(read(wide, drop=("x",)).table.feature_names) == FEATURES_MAX
    assert read(wide, features=("x", "f7")).predictions(0, 1)[0].features == {"x": 0.25, "f7": 1}
