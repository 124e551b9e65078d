"""Rows into inserts, tokens, and setting bad rows apart."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from warehouse.client import Warehouse
from warehouse.errors import ClickHouseUnreachable, QueryRefused, TablesLacking
from warehouse.settings import ClickHouseSettings
from warehouse.store.arrow_columns import Identities, prediction_columns
from warehouse.store.inserts import ColumnInsert, Insert, JsonInsert, RefusedRow, pack_inserts, store
from warehouse.store.rows import Identity, Row, rows_of


def labels(offsets: Sequence[int]) -> list[Row]:
    """One row for each offset; equal neighbours are elements of one message."""
    return [
        row
        for (offset, index), number in zip(identities(offsets), range(len(offsets)), strict=True)
        for row in rows_of(
            "labels",
            Label(event_id=f"e{number}", model="m", label="up", time=1_000),
            Identity("id", 2, offset, index),
        )
    ]


def identities(offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Offset and place in the message of each."""
    return [(offset, index) for offset, of_message in itertools.groupby(offsets) for index, _ in enumerate(of_message)]


def json_insert(offsets: Sequence[int]) -> Insert:
    return JsonInsert.of(labels(offsets))


def column_insert(offsets: Sequence[int], features: Sequence[dict[str, Any]] | None = None) -> Insert:
    events = [
        Prediction(event_id=f"e{n}", model="m", time=1_000, features=event, prediction="up", confidence=0.5)
        for n, event in enumerate(features or [{"a": n} for n in range(len(offsets))])
    ]
    row_identities = Identities("id", 2, offsets, [index for _, index in identities(offsets)])
    return ColumnInsert(prediction_columns(events, [1_000] * len(events), row_identities))


both_kinds = pytest.mark.parametrize("insert_of", [json_insert, column_insert])


def runs(insert_of: Callable[[Sequence[int]], Insert], offsets: Sequence[int], cut: int) -> list[Insert]:
    """The rows in two runs of whole messages, as they come from two reads."""
    parts = [[o for o in offsets if o < cut], [o for o in offsets if o >= cut]]
    return [insert_of(part) for part in parts if part]


def identities_of(insert: Insert) -> list[tuple[int, int]]:
    return [(int(o), int(i)) for o, i in zip(insert.offsets, insert.indexes, strict=True)]


@both_kinds
@settings(max_examples=40, deadline=None)
@given(
    offsets=st.lists(st.integers(0, 30), min_size=1, max_size=60).map(sorted),
    cut=st.integers(0, 30),
    rows_max=st.integers(1, 10),
    bytes_max=st.integers(200, 3_000),
)
def test_inserts_hold_all_rows_in_order_within_bounds(
    insert_of: Callable[[Sequence[int]], Insert], offsets: list[int], cut: int, rows_max: int, bytes_max: int
) -> None:
    """Nothing is lost or reordered, no message is divided, a bound is passed only by a single message."""
    inserts = list(pack_inserts(runs(insert_of, offsets, cut), rows_max=rows_max, bytes_max=bytes_max))
    assert [identity for insert in inserts for identity in identities_of(insert)] == identities(offsets)
    seen: set[int] = set()
    for insert in inserts:
        mine = {offset for offset, _ in identities_of(insert)}
        assert not mine & seen
        seen |= mine
        if len(mine) > 1:
            assert len(insert) <= rows_max
            assert insert.size_bytes <= bytes_max
    assert len({insert.token for insert in inserts}) == len(inserts)


def test_the_token_is_the_identity() -> None:
    """The same rows have the same token after a restart; it names topic, partition, first and last."""
    for insert_of in (json_insert, column_insert):
        inserts = list(pack_inserts([insert_of([4, 4, 5, 6])], rows_max=3, bytes_max=10_000))
        assert [insert.token for insert in inserts] == ["id/2/4.0-4.1", "id/2/5.0-6.0"]


def test_reads_are_joined_up_to_the_bounds() -> None:
    """Several reads make one insert, whose rows are the same as if they had been read at once."""
    for insert_of in (json_insert, column_insert):
        (whole,) = pack_inserts([insert_of([1, 2]), insert_of([3, 3, 4]), insert_of([5])], rows_max=6, bytes_max=10_000)
        assert identities_of(whole) == identities([1, 2, 3, 3, 4, 5])
        assert whole.token == "id/2/1.0-5.0"
    assert whole.part(1, 3).block() != whole.block()


@pytest.mark.servers
@both_kinds
def test_a_repeated_insert_is_stored_once(insert_of: Callable[[Sequence[int]], Insert], warehouse: Warehouse) -> None:
    """A batch that is sent again after a lost acknowledgement adds nothing."""
    table = "labels" if insert_of is json_insert else "predictions"
    for _ in range(3):
        store(warehouse.write, table, insert_of([1, 2, 3]), nothing_is_refused)
    assert warehouse.query(f"SELECT count() AS n FROM {table}") == [{"n": 3}]
    assert warehouse.highest_identity(table, "id", 2) == (3, 0)
    assert warehouse.highest_identity(table, "id", 1) is None
    assert warehouse.highest_identity(table, "other", 2) is None


def nothing_is_refused(row: RefusedRow) -> None:
    raise AssertionError(row)


@pytest.mark.servers
def test_bad_rows_come_back_and_the_rest_is_stored(warehouse: Warehouse) -> None:
    """Three rows that ClickHouse cannot read are returned, each with its reason; the other 497 are stored."""
    rows = labels(range(500))
    rows[0]["time"] = "yesterday"
    rows[250]["time"] = [1]
    rows[499]["time"] = {}
    calls: list[str] = []

    def insert(table: str, pending: Insert) -> None:
        calls.append(pending.token)
        warehouse.write(table, pending)

    refused: list[RefusedRow] = []
    store(insert, "labels", JsonInsert.of(rows), refused.append)
    assert [(bad.offset, bad.index) for bad in refused] == [(0, 0), (250, 0), (499, 0)]
    assert "time" in refused[0].reason
    assert all("\n" not in bad.reason for bad in refused)
    assert warehouse.query("SELECT count() AS n, uniqExact(_offset) AS u FROM labels") == [{"n": 497, "u": 497}]
    assert len(calls) < 80
    store(warehouse.write, "labels", JsonInsert.of(rows), refused.append)
    assert len(refused) == 6
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 497}]


@pytest.mark.servers
def test_bad_rows_of_columns_come_back_and_the_rest_is_stored(warehouse: Warehouse) -> None:
    """A rule of the table's owner that two of 500 predictions break sets those two apart, wherever they are."""
    warehouse.command("ALTER TABLE predictions ADD CONSTRAINT small CHECK NOT mapContains(features, 'b')")
    features = [{"b" if n in (17, 499) else "a": float(n)} for n in range(500)]
    pending = column_insert([n // 5 for n in range(500)], features)
    refused: list[RefusedRow] = []
    stored_before: list[int] = []

    def refuse(row: RefusedRow) -> None:
        refused.append(row)
        stored_before.append(warehouse.query("SELECT count() AS n FROM predictions")[0]["n"])

    store(warehouse.write, "predictions", pending, refuse)
    assert [(bad.offset, bad.index) for bad in refused] == [(3, 2), (99, 4)]
    assert "small" in refused[0].reason
    assert warehouse.query("SELECT uniqExact(_offset, _index) AS u, count() AS n FROM predictions") == [
        {"u": 498, "n": 498}
    ]
    # Told before anything behind it is stored: after a crash in between it is found again.
    assert stored_before == [17, 498]


@pytest.mark.servers
def test_what_is_under_way_is_not_sent_again(warehouse: Warehouse) -> None:
    """An insert that another thread has begun counts as the first attempt, whether it went in or was refused."""
    calls: list[str] = []

    def insert(table: str, pending: Insert) -> None:
        calls.append(pending.token)
        warehouse.write(table, pending)

    store(insert, "labels", json_insert([1, 2]), nothing_is_refused, begun=lambda: None)
    assert calls == []
    rows = labels([1, 2])
    rows[1]["time"] = "yesterday"
    pending, refused = JsonInsert.of(rows), list[RefusedRow]()
    store(insert, "labels", pending, refused.append, begun=functools.partial(warehouse.write, "labels", pending))
    assert calls == ["id/2/1.0-1.0", "id/2/2.0-2.0"]
    assert [row.offset for row in refused] == [2]


@pytest.mark.servers
def test_a_large_insert_with_a_bad_last_row_stores_nothing(warehouse: Warehouse) -> None:
    """All rows of an insert are stored or none, even when it is parsed in several pieces."""
    rows = labels(range(50_000))
    rows[-1]["time"] = "yesterday"
    with pytest.raises(QueryRefused):
        warehouse.insert("labels", rows)
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 0}]


def test_other_errors_are_not_a_rows_fault() -> None:
    """A full disk or a missing table is raised at once, without halving."""
    calls: list[str] = []

    def insert(table: str, pending: Insert) -> None:
        calls.append(pending.token)
        raise QueryRefused("full", code=243)

    with pytest.raises(QueryRefused):
        store(insert, "labels", json_insert([1, 2]), nothing_is_refused)
    assert len(calls) == 1


@pytest.mark.servers
def test_tables_older_than_the_program(warehouse: Warehouse) -> None:
    """A column that the table lacks is no row's fault and drops nothing; installing again adds it, rows stay."""
    cases = (("labels", "purpose", "learn", json_insert), ("predictions", "producer", "", column_insert))
    for table, column, value, insert_of in cases:
        warehouse.command(f"ALTER TABLE {table} DROP COLUMN {column}")
        with pytest.raises(QueryRefused, match=column):
            store(warehouse.write, table, insert_of([1]), nothing_is_refused)
        warehouse.install()
        store(warehouse.write, table, insert_of([1]), nothing_is_refused)
        assert warehouse.query(f"SELECT {column} AS it FROM {table}") == [{"it": value}]


@pytest.mark.servers
def test_what_lacks_is_named_with_what_to_do(warehouse: Warehouse) -> None:
    """A table, column or view that was dropped is named, and who stores or goes on there hears how to make it again."""
    assert warehouse.lacking() == []
    for statement in ("DROP TABLE labels", "ALTER TABLE predictions DROP COLUMN risk", "DROP VIEW answers"):
        warehouse.command(statement)
    assert set(warehouse.lacking()) == {"labels", "predictions.risk", "answers"}
    calls: list[Callable[[], object]] = [
        lambda: warehouse.write("labels", json_insert([1])),
        lambda: warehouse.write("predictions", column_insert([1])),
        lambda: warehouse.highest_identity("labels", "id", 2),
    ]
    for call in calls:
        with pytest.raises(TablesLacking, match=r"lacks a table or a column .* run watchloop warehouse install"):
            call()
    warehouse.install()
    assert warehouse.lacking() == []


@pytest.mark.servers
def test_errors_are_one_clear_line(warehouse: Warehouse) -> None:
    """Nothing at the address, and a refused query: what, where, what to do."""
    nowhere = Warehouse(ClickHouseSettings(url="http://127.0.0.1:9", connect_seconds_max=1))
    with pytest.raises(ClickHouseUnreachable) as unreachable:
        nowhere.ping()
    with pytest.raises(QueryRefused) as refused:
        warehouse.query("SELECT * FROM nope")
    assert refused.value.code == 60
    for error in (unreachable.value, refused.value):
        assert re.fullmatch(r"ClickHouse at http://127\.0\.0\.1:\d+.*", str(error))


def test_who_does_not_answer_is_told_without_the_request() -> None:
    """The address and the cause, not the URL with every setting and a token, behind which the cause was cut off."""
    nowhere = Warehouse(ClickHouseSettings(url="http://127.0.0.1:9", connect_seconds_max=1))
    with pytest.raises(ClickHouseUnreachable, match="Connection refused") as unreachable:
        nowhere.ping()
    assert "url:" not in str(unreachable.value)
    assert "query_id" not in str(unreachable.value)


@pytest.mark.servers
def test_raw_answers_in_any_format(warehouse: Warehouse) -> None:
    """CSV, JSON and Parquet for the command line; a FORMAT in the statement wins."""
    sql = "SELECT number AS n FROM numbers(2);"
    assert warehouse.raw(sql, "CSVWithNames") == b'"n"\n0\n1\n'
    assert b'"rows": 2' in warehouse.raw(sql, "JSON")
    assert warehouse.raw(sql, "Parquet")[:4] == b"PAR1"
    assert warehouse.raw("SELECT 1 FORMAT TSV", "CSV") == b"1\n"
    params: dict[str, Any] = {"x": "a'b"}
    assert warehouse.raw("SELECT {x:String}", "TSV", params) == b"a\\'b\n"
