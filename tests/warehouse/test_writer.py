"""Splitting into inserts, tokens, and setting bad rows apart."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.label import Label
from warehouse.client import Warehouse
from warehouse.errors import ClickHouseUnreachable, QueryRefused
from warehouse.rows import Identity, Row, encode_rows, rows_of
from warehouse.settings import ClickHouseSettings
from warehouse.writer import split_inserts, store


def labels(offsets: list[int]) -> list[Row]:
    """One row for each offset; equal neighbours are elements of one message."""
    rows: list[Row] = []
    for offset in offsets:
        index = rows[-1]["_index"] + 1 if rows and rows[-1]["_offset"] == offset else 0
        value = Label(event_id=f"e{len(rows)}", model="m", label="up", time=1_000)
        rows += rows_of("labels", value, Identity("id", 2, offset, index))
    return rows


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30), max_size=60).map(sorted), st.integers(1, 10), st.integers(200, 3_000))
def test_inserts_hold_all_rows_in_order_within_bounds(offsets: list[int], rows_max: int, bytes_max: int) -> None:
    """Nothing is lost or reordered, no message is divided, a bound is passed only by a single message."""
    rows = labels(offsets)
    inserts = list(split_inserts(rows, rows_max=rows_max, bytes_max=bytes_max))
    assert [row for insert in inserts for row in insert.rows] == rows
    seen: set[int] = set()
    for insert in inserts:
        mine = {row["_offset"] for row in insert.rows}
        assert not mine & seen
        seen |= mine
        assert insert.block == encode_rows(insert.rows)
        if len(mine) > 1:
            assert len(insert.rows) <= rows_max
            assert len(insert.block) <= bytes_max
    assert len({insert.token for insert in inserts}) == len(inserts)


def test_the_token_is_the_identity() -> None:
    """The same rows have the same token after a restart; it names topic, partition, first and last."""
    inserts = list(split_inserts(labels([4, 4, 5, 6]), rows_max=3, bytes_max=10_000))
    assert [insert.token for insert in inserts] == ["id/2/4.0-5.0", "id/2/6.0-6.0"]


@pytest.mark.servers
def test_a_repeated_insert_is_stored_once(warehouse: Warehouse) -> None:
    """A batch that is sent again after a lost acknowledgement adds nothing."""
    (insert,) = split_inserts(labels([1, 2, 3]), rows_max=10, bytes_max=10_000)
    for _ in range(3):
        assert store(warehouse.insert, "labels", insert) == []
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 3}]
    assert warehouse.highest_offset("labels", "id", 2) == 3
    assert warehouse.highest_identity("labels", "id", 2) == (3, 0)
    assert warehouse.highest_offset("labels", "id", 1) is None
    assert warehouse.highest_offset("labels", "other", 2) is None


@pytest.mark.servers
def test_bad_rows_come_back_and_the_rest_is_stored(warehouse: Warehouse) -> None:
    """Three rows that ClickHouse cannot read are returned, each with its reason; the other 497 are stored."""
    rows = labels(list(range(500)))
    rows[0]["time"] = "yesterday"
    rows[250]["time"] = [1]
    rows[499]["_offset"] = "last"
    calls: list[str] = []

    def insert(table: str, block: bytes, token: str) -> None:
        calls.append(token)
        warehouse.insert(table, block, token)

    (one,) = split_inserts(rows, rows_max=1_000, bytes_max=1_000_000)
    refused = store(insert, "labels", one)
    assert [bad.row["_offset"] for bad in refused] == [0, 250, "last"]
    assert "time" in refused[0].reason
    assert "_offset" in refused[2].reason
    assert all("\n" not in bad.reason for bad in refused)
    assert warehouse.query("SELECT count() AS n, uniqExact(_offset) AS u FROM labels") == [{"n": 497, "u": 497}]
    assert len(calls) < 80
    assert len(store(warehouse.insert, "labels", one)) == 3
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 497}]


@pytest.mark.servers
def test_a_large_insert_with_a_bad_last_row_stores_nothing(warehouse: Warehouse) -> None:
    """All rows of an insert are stored or none, even when it is parsed in several pieces."""
    rows = labels(list(range(50_000)))
    rows[-1]["time"] = "yesterday"
    with pytest.raises(QueryRefused):
        warehouse.insert("labels", rows)
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 0}]


def test_other_errors_are_not_a_rows_fault() -> None:
    """A full disk or a missing table is raised at once, without halving."""
    calls: list[str] = []

    def insert(table: str, block: bytes, token: str) -> None:
        calls.append(token)
        raise QueryRefused("full", code=243)

    (one,) = split_inserts(labels([1, 2]), rows_max=10, bytes_max=10_000)
    with pytest.raises(QueryRefused):
        store(insert, "labels", one)
    assert len(calls) == 1


@pytest.mark.servers
def test_tables_older_than_the_program(warehouse: Warehouse) -> None:
    """A column that the table lacks is no row's fault and drops nothing; installing again adds it, rows stay."""
    (insert,) = split_inserts(labels([1]), rows_max=10, bytes_max=10_000)
    warehouse.command("ALTER TABLE labels DROP COLUMN purpose")
    with pytest.raises(QueryRefused, match="purpose"):
        store(warehouse.insert, "labels", insert)
    warehouse.install()
    assert store(warehouse.insert, "labels", insert) == []
    assert warehouse.query("SELECT purpose FROM labels") == [{"purpose": "learn"}]


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
