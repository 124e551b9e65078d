"""Times are read as they are, numbers by a given or guessed unit; what is no time is not taken for one."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Read = Callable[..., Any]
Refused = Callable[..., str]

BEGIN = 1_709_251_200  # 2024-03-01
SECONDS = [BEGIN + 60 * n for n in range(6)]
MILLISECONDS = [1000 * seconds for seconds in SECONDS]
UTC = dt.UTC


def said(source: Any) -> str:
    return "\n".join(source.notes)


@pytest.mark.parametrize(
    ("times", "tells"),
    [
        (pa.array(SECONDS), "epoch seconds from 2024-03-01"),
        (pa.array(MILLISECONDS), "epoch milliseconds"),
        (pa.array([seconds * 10**6 for seconds in SECONDS]), "epoch microseconds"),
        (pa.array([seconds * 10**9 for seconds in SECONDS]), "epoch nanoseconds"),
        (pa.array([float(seconds) for seconds in SECONDS]), "epoch seconds"),
        (pa.array(SECONDS, pa.uint32()), "epoch seconds"),
        (pa.array(list(map(str, MILLISECONDS))), "epoch milliseconds"),
        (pa.array(SECONDS, pa.timestamp("s")), "without a zone, read as UTC"),
        (pa.array(MILLISECONDS, pa.timestamp("ms", "Europe/Berlin")), "is the time: times"),
        (pa.array([seconds * 10**9 for seconds in SECONDS], pa.timestamp("ns", "UTC")), "is the time: times"),
        (pa.array(SECONDS, pa.timestamp("s", "Nowhere/At all")), "is the time: times"),
        (
            pa.array([dt.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") for seconds in SECONDS]),
            "without a zone read as UTC",
        ),
        (
            pa.array(
                [dt.datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") for seconds in SECONDS]
            ),
            "is the time: texts",
        ),
        (
            pa.array(
                [dt.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") for seconds in SECONDS]
            ),
            "is the time: texts",
        ),
        (
            pa.array([dt.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%Sz") for seconds in SECONDS]),
            "is the time: texts",
        ),
        (
            pa.array(
                [
                    dt.datetime.fromtimestamp(seconds, dt.timezone(dt.timedelta(hours=2))).isoformat()
                    for seconds in SECONDS
                ]
            ),
            "is the time: texts",
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
@pytest.mark.parametrize("named", [True, False])
def test_the_same_times_in_every_writing(read: Read, times: pa.Array, tells: str, named: bool) -> None:
    """The time, named or recognised by its name and values; a note says how it was read."""
    source = read({"time": times}, time="time" if named else None)
    assert source.table.times_ms == MILLISECONDS
    assert source.table.feature_names == ("x",)
    assert not source.table.made_up_times
    assert tells in said(source)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9), ("min", 1 / 60), ("h", 1 / 3600), ("d", 1 / 86400)],
)
def test_a_stated_unit_is_believed(read: Read, unit: str, factor: float) -> None:
    """A unit that is given counts, whatever years it leads to."""
    seconds = np.array([36_000_000 + 3600 * n for n in range(4)])
    source = read({"when": seconds * factor}, time="when", time_unit=unit)
    assert source.table.times_ms == (seconds * 1000).tolist()


def test_timestamps_of_1971_are_of_1971(read: Read) -> None:
    """A type of times is never doubted."""
    source = read({"time": pa.array([40_000_000, 40_000_060], pa.timestamp("s", "UTC"))})
    assert source.table.times_ms == [40_000_000_000, 40_000_060_000]


@pytest.mark.parametrize(
    ("times", "options", "says"),
    [
        ([0, *MILLISECONDS[1:]], {}, "row 0: column 'time' (--time) holds 0, where most rows hold epoch milliseconds"),
        ([*MILLISECONDS[:3], SECONDS[3], *MILLISECONDS[4:]], {}, f"row 3: column 'time' (--time) holds {SECONDS[3]}"),
        ([*SECONDS[:5], MILLISECONDS[5]], {"time": "time"}, "row 5"),
        ([*MILLISECONDS[:2], None, *MILLISECONDS[3:]], {}, "row 2: column 'time' (--time) is empty"),
        ([*map(float, SECONDS[:2]), float("nan"), 1e9, 1e9, 1e9], {}, "row 2: column 'time' (--time) is empty"),
        (MILLISECONDS, {"time_unit": "s"}, "in s is no time from 1970 to 9999"),
        ([1e300, 1.0], {"time": "time", "time_unit": "d"}, "row 0: column 'time' (--time) holds 1e+300"),
        ([45_000.5, 45_001.5], {"time": "time"}, "row 0: column 'time' (--time) holds 45000.5"),
        ([20_260_101, 20_260_101, 20_260_102, 20_260_101], {"time": "time"}, "neither an epoch time"),
        ([dt.date(2027, 12, 31)] * 2, {}, "row 0: column 'time' would be rejected"),
        ([dt.datetime(9999, 12, 31, tzinfo=UTC)] * 2, {}, "row 0: column 'time' would be rejected"),
        (["0001-01-01", "0001-01-02"], {}, "row 0: column 'time' would be rejected"),
        (["0001-01-01T00:00:00+14:00"] * 2, {"time": "time"}, "row 0: column 'time'"),
        (pa.array([2**62] * 2, pa.timestamp("s")), {}, "row 0: column 'time' (--time) holds a time beyond"),
        (pa.array([2**30] * 2, pa.date32()), {}, "row 0: column 'time' (--time) holds a time beyond"),
        ([-5, 3, 4, 5], {"time": "time", "time_unit": "s"}, "row 0: column 'time' (--time) holds -5"),
        ([20_260_101, 20_260_102, 20_260_103], {"time": "time"}, "a running number, but YYYYMMDD"),
        ([20_260_101_083_000, 20_260_101_090_000, 20_260_102_000_000], {"time": "time"}, "but YYYYMMDDHHMMSS"),
        ([1.5, 2.5, 3.5], {"time": "time"}, "row 0: column 'time' (--time) holds 1.5, neither an epoch time"),
        ([5, 3, 3, 4], {"time": "time"}, "neither an epoch time nor a running number"),
        (["2024-03-01", "yesterday"], {}, "row 1: column 'time' (--time) holds 'yesterday'"),
        (["soon", "later"], {"time": "time"}, "row 0: column 'time' (--time) holds 'soon'"),
        ([True, False], {"time": "time"}, "column 'time' (--time) holds bool"),
        ([[1], [2]], {"time": "time"}, "column 'time' (--time) holds list"),
        ([dt.time(1), dt.time(2)], {"time": "time"}, "column 'time' (--time) holds time64"),
        ([dt.datetime(2024, 3, 1, tzinfo=UTC)] * 2, {"time_unit": "ms"}, "need no --time-unit"),
        (MILLISECONDS, {"time": "time", "no_time": True}, "exclude each other"),
        (MILLISECONDS, {"time": "time", "drop": ("time",)}, "both --drop and --time"),
        (MILLISECONDS, {"drop": ("time",), "time_unit": "ms"}, "--time-unit needs --time"),
        ([1.9e12] * 3, {}, "row 0: column 'time' would be rejected: 1900000000000 lies too far in the future"),
        ([dt.datetime(1969, 1, 1, tzinfo=UTC)] * 2, {}, "row 0: column 'time' would be rejected"),
        ([dt.datetime(1970, 2, 1, tzinfo=UTC)] * 2, {}, "row 0: column 'time' would be rejected"),
    ],
)
def test_what_is_no_time(refused: Refused, times: list[Any], options: dict[str, Any], says: str) -> None:
    """A time that cannot be read is one line with the row; it suggests --no-time if the column was not named."""
    message = refused({"time": times}, **options)
    assert says in message
    if "(--time)" in message and "time" not in options:
        assert "--no-time" in message


def test_no_column_is_the_time_unless_it_holds_times(read: Read) -> None:
    """Temperatures called t or time, counters, dropped columns and --no-time: rows keep their order."""
    warm = [-8.4, 3.1, 12.0, 15.5]
    for columns, options, features in (
        ({"t": warm}, {}, ("x", "t")),
        ({"t": warm}, {"drop": ("t",)}, ("x",)),
        ({"time": warm}, {}, ("x", "time")),
        ({"time": [30, 20, 50, 20]}, {}, ("x", "time")),
        ({"time": ["noon", "night", "noon", "dawn"]}, {}, ("x", "time")),
        ({"time": MILLISECONDS[:4]}, {"drop": ("time",)}, ("x",)),
        ({"time": MILLISECONDS[:4]}, {"no_time": True}, ("x", "time")),
        ({"created_at": MILLISECONDS[:4]}, {}, ("x", "created_at")),
        ({"time": MILLISECONDS[:4]}, {"features": ("x", "time")}, ("x", "time")),
    ):
        source = read(columns, **options)
        assert source.table.made_up_times, columns
        assert source.table.columns.time is None
        assert source.table.feature_names == features
        assert [row["x"] for row in source.table.features(0, 4)] == [0.25, 0.75, 1.25, 1.75]
    assert "holds no times" in said(read({"time": warm}))
    stamps = pa.array(MILLISECONDS[:4], pa.timestamp("ms", "UTC"))
    assert "'created_at' holds times" not in said(read({"created_at": stamps}, time="created_at"))
    assert "created_at holds times" in said(read({"created_at": stamps}))


def test_a_counter_gives_the_order_and_no_times(read: Read) -> None:
    """A running number named as the time sorts the rows; their times are made up, with a note."""
    source = read({"n": [2, 0, 1]}, time="n")
    assert [row["x"] for row in source.table.features(0, 3)] == [0.75, 1.25, 0.25]
    assert source.table.made_up_times
    assert "only counts" in said(source)
    now = [event.time for event in source.predictions(0, 3, now_ms=123_456_789_000)]
    assert now == [123_456_789_000] * 3


def test_rows_out_of_order_are_sorted_stably_with_a_note(read: Read, refused: Refused) -> None:
    """Columns are sorted together, equal times keep their order, and messages have the row numbers of the file."""
    times = [MILLISECONDS[n] for n in (2, 0, 1, 0)]
    columns = {
        "time": times,
        "region": ["c", "a", "b", "a2"],
        "truth": ["c", "a", "b", "a2"],
        "said": ["c", "a", "b", "a2"],
    }
    source = read(columns, slices=("region",))
    assert source.table.times_ms == sorted(times)
    assert source.truths == source.answers == ["a", "a2", "b", "c"]
    assert [dict(event.slices)["region"] for event in source.predictions(0, 4)] == ["a", "a2", "b", "c"]
    assert "sorted by column" in said(source)
    assert "row 0: column 'sure'" in refused({**columns, "sure": [1.5, 0.5, 0.5, 0.5]})
    assert "row 3: column 'region'" in refused({**columns, "region": ["c", "a", "b", "y" * 300]}, slices=("region",))


def test_zones_of_some_rows_are_noted_with_those_that_have_none(read: Read) -> None:
    """A note counts the rows without a zone where others have one."""
    times = ["2026-10-01T08:00:00+02:00", "2026-10-01T08:30:00", "2026-10-01T09:00:00Z"]
    source = read({"time": times})
    assert "is the time: texts with a zone in 2 of 3 rows; the other 1 are read as UTC" in said(source)
    assert "texts, without a zone read as UTC" in said(read({"time": [time[:19] for time in times]}))


def test_times_of_96_bits_are_of_their_year(read: Read, refused: Refused, tmp_path: pathlib.Path) -> None:
    """Parquet's times of 96 bits reach beyond the nanoseconds of 64 bits, in which 9999 would become 1816."""
    days = [dt.datetime(year, 1, 1, tzinfo=UTC) for year in (2600, 9999, 1700, 2027)]
    columns = {"x": [1, 2, 3, 4], "truth": [1, 0, 1, 0], "said": [1, 0, 1, 1], "sure": [0.9] * 4}
    columns |= {"until": pa.array(days, pa.timestamp("us")), "time": pa.array(days[:1] * 4, pa.timestamp("us"))}
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path, use_deprecated_int96_timestamps=True)
    source = read(path, no_time=True)
    assert [row["until"][:10] for row in source.table.features(0, 4)] == [day.strftime("%Y-%m-%d") for day in days]
    assert read(path, no_time=True, label="until", prediction="time").truths[1] == "9999-01-01T00:00:00"
    assert "column 'time' would be rejected" in refused(path)
    assert "19880899200000" in refused(path)


HOURS = [BEGIN + 3600 * n for n in range(50)]
DAYS = [BEGIN + 86_400 * n for n in range(50)]


@pytest.mark.parametrize(
    ("times", "options", "step"),
    [
        (np.asarray(HOURS, np.float32), {}, "128"),
        (np.asarray([1000 * seconds for seconds in HOURS], np.float32), {}, "131"),
        (np.asarray([seconds / 86_400 for seconds in HOURS], np.float32), {"time_unit": "d"}, "169"),
        (np.asarray([seconds // 86_400 for seconds in DAYS], np.float16), {"time_unit": "d"}, "1382400"),
    ],
)
def test_times_in_floats_of_few_bits_are_refused(
    refused: Refused, times: Any, options: dict[str, Any], step: str
) -> None:
    """Floats of 32 bits round epoch seconds to minutes, which loses the order of the rows."""
    says = refused({"time": times}, time="time", **options)
    assert f"bits, which have steps of {step} seconds here" in says
    assert "write whole numbers, or floats of 64 bits" in says


def test_times_that_were_in_floats_of_few_bits_are_noted(read: Read) -> None:
    """Doubles and CSV numbers that were floats of 32 bits have a warning; days and whole minutes have none."""
    rounded = np.asarray(HOURS, np.float32).astype(np.float64)
    columns = {"x": list(range(50)), "truth": [0, 1] * 25, "said": [0, 1] * 25, "sure": [0.9] * 50}
    lines = [",".join(map(str, row)) for row in zip(*columns.values(), rounded.tolist(), strict=True)]
    text = "\n".join([",".join([*columns, "time"]), *lines])
    for source in (read(text), read({**columns, "time": rounded})):
        assert "the times of column 'time' are in steps of 128 seconds, as if they had been in floats" in said(source)
    for times in (np.asarray(DAYS, float), np.asarray(DAYS, np.float32), np.asarray(HOURS, float), np.asarray(DAYS)):
        assert "steps of" not in said(read({**columns, "time": times}))


def test_an_index_of_times_without_a_name_is_the_time(read: Read, tmp_path: pathlib.Path) -> None:
    """An unnamed pandas index of times is the time, from Parquet and from CSV."""
    times = pd.date_range("2024-03-01", periods=4, freq="h")[::-1]
    columns = {"x": [4, 3, 2, 1], "truth": [1, 0, 1, 0], "said": [1, 0, 1, 1], "sure": [0.9] * 4}
    frame = pd.DataFrame(columns, index=times)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv")
    pd.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "again.csv", index=False)
    for name, column in (("t.parquet", "__index_level_0__"), ("t.csv", ""), ("again.csv", "Unnamed: 0")):
        for options in ({}, {"time": column}):
            source = read(tmp_path / name, **options)
            assert (source.table.columns.time, source.table.feature_names) == (column, ("x",))
            assert [row["x"] for row in source.table.features(0, 4)] == [1, 2, 3, 4]
            assert source.table.times_ms[0] == 1000 * BEGIN
            assert f"column '{column}' is the time" in said(source)
    frame.assign(time=times[::-1]).to_parquet(tmp_path / "both.parquet")
    for path, options, time in (
        (tmp_path / "both.parquet", {}, "time"),
        (tmp_path / "t.parquet", {"no_time": True}, None),
    ):
        source = read(path, **options)
        assert (source.table.columns.time, source.table.feature_names) == (time, ("x",))
        assert "'__index_level_0__' is the index that pandas wrote, and is left out" in said(source)


def test_a_column_of_times_that_is_no_feature_has_no_note(read: Read) -> None:
    """An index of dates that is the label or the answer is not the time."""
    day = pa.array([0, 1, 1], pa.date32())
    notes = said(read({"truth": day, "said": day, "when": day}))
    assert "column when holds times, and is text as a feature" in notes
    assert "holds times" not in said(read({"truth": day, "said": day}))
