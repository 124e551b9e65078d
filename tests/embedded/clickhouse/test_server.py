"""The embedded server through an unchanged clickhouse-connect, and its bounds."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from embedded.clickhouse.process import popen
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.embedded_server import TABLE, connect, connect_to, server
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.settings import ClickHouseSettings

pytestmark = pytest.mark.servers


@pytest.fixture
def client(clickhouse: ClickHouseSettings) -> Iterator[Any]:
    connection = connect(clickhouse)
    connection.command("DROP TABLE IF EXISTS t")
    connection.command(TABLE)
    yield connection
    connection.command("DROP TABLE t")
    connection.close()


def test_queries_and_bound_parameters(client: Any) -> None:
    """Values of every kind come back as they were bound."""
    text = "a\tb'c\\d\nü"
    time = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    answer = client.query(
        "SELECT {s:String} AS s, {n:UInt64} AS n, {l:Array(String)} AS l, {t:DateTime} AS t",
        parameters={"s": text, "n": 2**63, "l": [text, ""], "t": time},
    )
    assert answer.first_row == (text, 2**63, [text, ""], time.replace(tzinfo=None))
    assert client.query("SELECT %(s)s", parameters={"s": text}).first_row == (text,)


def test_parameters_too_long_for_a_url(client: Any) -> None:
    """A hundred thousand characters of ids go as a form and come back."""
    ids = [f"event-{number:06d}" for number in range(8_000)]
    answer = client.query("SELECT length({ids:Array(String)}) AS n", parameters={"ids": ids})
    assert answer.first_row == (8_000,)


def test_native_arrow_frame_and_json_inserts(client: Any) -> None:
    """Four ways in, one table, the same rows out; compressed and not."""
    time = datetime(2024, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)
    client.insert("t", [[1, "native", time]], column_names=["a", "s", "t"])
    client.insert_arrow("t", pa.table({"a": pa.array([2], pa.uint32()), "s": ["arrow"]}))
    client.insert_df("t", pd.DataFrame({"a": [3], "s": ["frame"], "t": [pd.Timestamp(time)]}))
    assert client.raw_insert("t", None, b'{"a":4,"s":"json"}\n{"a":5,"s":"x"}', fmt="JSONEachRow").written_rows == 2
    client.command("INSERT INTO t (a, s) VALUES (6, 'it''s; FORMAT')")
    client.command("INSERT INTO t SELECT 7, s, t FROM t WHERE a = 1")
    rows = client.query("SELECT a, s, t FROM t ORDER BY a").result_rows
    assert [row[:2] for row in rows] == [
        (1, "native"), (2, "arrow"), (3, "frame"), (4, "json"), (5, "x"), (6, "it's; FORMAT"), (7, "native"),
    ]  # fmt: skip
    assert rows[0][2] == rows[2][2] == rows[6][2] == time.replace(tzinfo=None)


def test_frames_arrow_and_streams_out(client: Any) -> None:
    """query_df, query_arrow and a stream of blocks give the rows, lz4-compressed on the way."""
    client.raw_insert("t", None, b"".join(b'{"a":%d,"s":"%d"}\n' % (n, n) for n in range(20_000)), fmt="JSONEachRow")
    assert client.query_df("SELECT a FROM t").a.sum() == sum(range(20_000))
    assert client.query_arrow("SELECT a FROM t").num_rows == 20_000
    with client.query_row_block_stream("SELECT a FROM t") as stream:
        assert sum(len(block) for block in stream) == 20_000
    assert client.raw_query("SELECT count() FROM t", fmt="CSV") == b"20000\n"


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nope", 60, 404),
        ("SELEC 1", 62, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT 1 FORMAT Nope", 73, 404),
        ("SELECT 1 SETTINGS nope = 1", 115, 404),
        ("INSERT INTO t (a) FORMAT CSV\nx", 117, 400),
        ("INSERT INTO nope (a) FORMAT CSV\n1", 60, 404),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT {x:UInt8}", 456, 500),
    ],
)
def test_errors_carry_their_code(sql: str, code: int, status: int, client: Any, clickhouse: ClickHouseSettings) -> None:
    """ClickHouse's code, text and version are in the answer."""
    answer = httpx.post(clickhouse.url, content=sql.encode(), auth=(clickhouse.user, clickhouse.password))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert "(version " in answer.text
    assert (answer.headers["x-clickhouse-exception-code"], answer.status_code) == (str(code), status)


def test_settings_last_for_one_query(client: Any, clickhouse: ClickHouseSettings) -> None:
    """A setting of one query is not seen by another, even after an error; SET has no session to live in."""
    probe = "SELECT getSetting('max_block_size')"
    plain = client.query(probe).first_row
    assert client.query(probe, settings={"max_block_size": 7}).first_row == (7,)
    with pytest.raises(DatabaseError):
        client.query("SELECT * FROM nope", settings={"max_block_size": 8})
    with pytest.raises(DatabaseError, match="Sessions are not available"):
        client.command("SET max_block_size = 9")
    for _ in range(2 * EmbeddedClickHouseSettings().writer_handles):
        assert client.query(probe).first_row == plain


def test_a_temporary_table_has_no_session_to_live_in(client: Any) -> None:
    """It is refused, and no later query finds one, whichever of the pool's connections to the engine it gets."""
    for _ in range(8):
        with pytest.raises(DatabaseError, match="not temporary"):
            client.command("CREATE TEMPORARY TABLE passing (a UInt8)")
    for _ in range(8):
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            client.query("SELECT * FROM passing")


def test_deduplication_token(client: Any) -> None:
    """An insert that is repeated with its token is dropped; with another token it is stored."""
    client.command("DROP TABLE t")
    client.command(TABLE + " SETTINGS non_replicated_deduplication_window = 100")
    for token in ("one", "one", "two"):
        settings = {"insert_deduplication_token": token}
        client.raw_insert("t", None, b'{"a":1}', fmt="JSONEachRow", settings=settings)
    assert client.query("SELECT count() FROM t").first_row == (2,)


def test_compressed_bodies_both_ways(clickhouse: ClickHouseSettings) -> None:
    """Answers come compressed where the client asks for it, in gzip say."""
    auth = (clickhouse.user, clickhouse.password)
    asked = {"query": "SELECT number FROM numbers(10000)", "enable_http_compression": "1"}
    answer = httpx.get(clickhouse.url, params=asked, auth=auth, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.text.splitlines()) == 10_000
    assert answer.headers["x-clickhouse-format"] == "TabSeparated"
    assert answer.headers["x-clickhouse-timezone"]
    wrong = httpx.post(clickhouse.url, content=b"x", auth=auth, headers={"Content-Encoding": "br"})
    assert (wrong.status_code, wrong.headers["x-clickhouse-exception-code"]) == (400, "36")


def test_a_failed_query_leaves_nothing_behind(clickhouse: ClickHouseSettings) -> None:
    """After an answer that grew too large, each handle answers the next queries in full."""
    settings = {"query": "SELECT number FROM numbers(2000001)", "max_result_rows": "1000000"}
    auth = (clickhouse.user, clickhouse.password)
    for _ in range(2 * EmbeddedClickHouseSettings().writer_handles):
        failed = httpx.post(clickhouse.url, params=settings, auth=auth, timeout=PATIENCE_SECONDS)
        assert failed.headers["x-clickhouse-exception-code"] == "396"
        assert httpx.post(clickhouse.url, content=b"SELECT 7", auth=auth, timeout=PATIENCE_SECONDS).text == "7\n"


def test_many_clients_at_once(clickhouse: ClickHouseSettings, client: Any) -> None:
    """Twelve threads of writers and readers, more than there are handles: nothing is lost, nobody is refused."""
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            mine = connect(clickhouse)
            for round_number in range(5):
                mine.raw_insert("t", None, b'{"a":%d}' % (number * 10 + round_number), fmt="JSONEachRow")
                mine.query("SELECT uniqExact(a) FROM t")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert client.query("SELECT uniqExact(a) FROM t").first_row == (60,)


def test_more_queries_than_may_wait_are_refused(folder: Path) -> None:
    """Beyond the handles and the queue a query is answered 503 with code 202 at once, and the others finish."""
    settings = EmbeddedClickHouseSettings(writer_handles=1, waiting_queries_max=1)
    with server(folder, settings=settings) as running:
        answers: list[httpx.Response] = []

        def ask() -> None:
            sql = b"SELECT sleep(1)"
            answers.append(httpx.post(running.url, content=sql, auth=("watchloop", "w"), timeout=PATIENCE_SECONDS))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503]
        codes = {answer.headers.get("x-clickhouse-exception-code") for answer in answers}
        assert codes == {None, "202"}
        assert httpx.get(running.url + "/ping").text == "Ok.\n"


def test_bounds_of_body_and_disk(folder: Path) -> None:
    """A body beyond its bound is answered 413; an insert beyond the disk's bound fails with code 243, reads go on."""
    settings = EmbeddedClickHouseSettings(query_bytes_max=1_024, body_bytes_max=2_000, disk_free_bytes_min=1 << 60)
    with server(folder, settings=settings) as running:
        auth = ("watchloop", "w")
        large = httpx.post(running.url, content=b"SELECT '" + b"x" * 3_000 + b"'", auth=auth)
        assert (large.status_code, large.headers["x-clickhouse-exception-code"]) == (413, "307")
        httpx.post(running.url, content=TABLE.encode(), auth=auth).raise_for_status()
        insert = httpx.post(running.url, content=b"INSERT INTO t (a) VALUES (1)", auth=auth)
        assert insert.headers["x-clickhouse-exception-code"] == "243"
        assert httpx.post(running.url, content=b"SELECT count() FROM t", auth=auth).text == "0\n"


def test_an_insert_that_fails_after_it_was_read_is_refused(client: Any) -> None:
    """Rows that break a rule of the table are an error like rows that cannot be read, in any format; none is stored."""
    client.command("ALTER TABLE t ADD CONSTRAINT small CHECK a < 5")
    for data, fmt in ((b'{"a":2}\n{"a":9}', "JSONEachRow"), (b"2\n9", "CSV")):
        with pytest.raises(DatabaseError, match="VIOLATED_CONSTRAINT"):
            client.raw_insert("t", ["a"], data, fmt=fmt)
    with pytest.raises(DatabaseError, match="VIOLATED_CONSTRAINT"):
        client.insert_arrow("t", pa.table({"a": pa.array([1, 7], pa.uint32())}))
    client.raw_insert("t", ["a"], b"3\n4", fmt="CSV")
    assert client.query("SELECT groupArray(a) FROM t").first_row == ([3, 4],)


WIDE = "CREATE TABLE w (a UInt32, s String CODEC(NONE)) ENGINE = MergeTree ORDER BY a SETTINGS old_parts_lifetime = 1"
"""What was merged into another part keeps its room for eight minutes otherwise."""


def fill(client: Any, rows: int) -> tuple[int, DatabaseError]:
    """Insert a megabyte after the other until one is refused; returns the rows that were acknowledged."""
    acknowledged = 0
    while True:
        data = b"".join(
            b'{"a":%d,"s":"%s"}\n' % (rows + acknowledged + n, os.urandom(500).hex().encode()) for n in range(1_000)
        )
        try:
            client.raw_insert("w", None, data, fmt="JSONEachRow")
        except DatabaseError as error:
            return acknowledged, error
        acknowledged += 1_000


def drop_rows(client: Any) -> None:
    """All of them, and wait until their files have gone too."""
    client.command("TRUNCATE TABLE w")
    stored = "SELECT sum(bytes_on_disk) FROM system.parts WHERE table = 'w'"
    eventually("the files to go", lambda: client.query(stored).first_row[0] < 1_000_000)


def test_the_disk_quota(folder: Path) -> None:
    """At the quota inserts are refused with code 243 and reads go on; when rows are dropped there is room again."""
    settings = EmbeddedClickHouseSettings(disk_bytes_max=16 * 1024 * 1024)
    with server(folder, settings=settings) as running:
        client = connect_to(running)
        client.command(WIDE)
        for _ in range(2):
            acknowledged, error = fill(client, 0)
            assert 1_000 <= acknowledged <= 18_000
            assert "Code: 243." in str(error)
            assert "disk_bytes_max is 16777216" in str(error)
            assert client.query("SELECT count() FROM w").first_row == (acknowledged,)
            drop_rows(client)


def test_a_full_disk(folder: Path) -> None:
    """On a disk of 64 MB that is full an insert fails with code 243 too, and what was acknowledged is stored."""
    mount = 'mount -t tmpfs -o size=64m tmpfs "$0" && exec "$@"'
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    folder.mkdir()
    if (
        shutil.which("unshare") is None
        or subprocess.run([*inside, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("a disk of its own needs user namespaces")

    def spawn(cmd: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return popen([*inside, *cmd], **options)

    settings = EmbeddedClickHouseSettings(disk_free_bytes_min=0)
    with server(folder, settings=settings, spawn=spawn) as running:
        client = connect_to(running)
        client.command(WIDE)
        acknowledged, error = fill(client, 0)
        assert acknowledged >= 10_000
        assert "Code: 243." in str(error)
        assert client.query("SELECT count() FROM w").first_row == (acknowledged,)
        drop_rows(client)
        assert fill(client, 0)[0] >= 1_000
