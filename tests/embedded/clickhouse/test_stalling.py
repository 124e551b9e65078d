"""Nobody who asks, with a password or without, keeps RECORD from inserting: all that a client sends has a bound."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import lz4.frame
import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState

from embedded.clickhouse.credentials import Credentials
from embedded.clickhouse.http import app as http_app
from embedded.clickhouse.http import compression
from embedded.clickhouse.http.app import ANALYST, WRITER, Answer, HttpApp
from embedded.clickhouse.http.connections import PatientProtocol
from embedded.clickhouse.http.lanes import Lane
from embedded.clickhouse.http.protocol import Query, RefusedRequest, Request, read_query
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.waiting import PATIENCE_SECONDS

PASSWORDS = {"watchloop": "w", "analyst": "a"}
KIB = 1024
SETTINGS = EmbeddedClickHouseSettings(
    head_seconds_max=1,
    body_seconds_max=2,
    answer_seconds_max=2,
    analyst_body_bytes_max=1024 * KIB,
    analyst_handles=2,
    waiting_queries_max=8,
)


class Echo:
    """An engine that answers with the statement."""

    version, timezone = "26.9", "UTC"

    def run(self, _user: str, query: Query) -> Answer:
        return Answer(query.sql.encode())

    def close(self) -> None: ...


def app(settings: EmbeddedClickHouseSettings = SETTINGS) -> HttpApp:
    return HttpApp(Echo(), settings, credentials=Credentials(PASSWORDS), database="watchloop")


def client(application: HttpApp, user: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application)
    return httpx.AsyncClient(
        transport=transport, base_url="http://x", auth=(user, PASSWORDS[user]), timeout=PATIENCE_SECONDS
    )


STAGES = [(http_app, "read_query"), (compression, "decompress"), (compression, "compress"), (Echo, "run")]


@pytest.mark.parametrize(("owner", "name"), STAGES)
def test_an_analysts_request_that_takes_for_ever_keeps_no_writer_waiting(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stage of analysts' requests stands still in all of their threads, writers are served."""
    release, standing, threads = threading.Event(), threading.Semaphore(0), set()
    original: Callable[..., Any] = getattr(owner, name)

    def stand_still(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread().name.startswith(f"clickhouse-{WRITER}"):
            return original(*arguments, **named)
        threads.add(threading.current_thread().name)
        standing.release()
        assert release.wait(PATIENCE_SECONDS)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, stand_still)

    async def both() -> None:
        application = app()
        async with client(application, ANALYST) as analyst, client(application, WRITER) as writer:
            sql = "SELECT '" + "x" * 2_000 + "'"
            named = {"enable_http_compression": "1"}
            packed = {"content": gzip.compress(sql.encode()), "headers": {"Content-Encoding": "gzip"}}
            waiting = [asyncio.create_task(analyst.post("/", params=named, **packed)) for _ in range(4)]
            for _ in range(SETTINGS.analyst_handles):
                assert await asyncio.to_thread(standing.acquire, timeout=PATIENCE_SECONDS)
            for _ in range(3):
                assert (await writer.post("/", params=named, **packed)).text == sql
            assert not any(task.done() for task in waiting)
            release.set()
            assert {(await task).text for task in waiting} == {sql}

    asyncio.run(both())
    assert all(thread.startswith(f"clickhouse-{ANALYST}") for thread in threads)


def test_a_lane_has_so_many_places_and_bytes() -> None:
    """One request or one byte more than the lane may hold is refused, and what is given back is there again."""
    lane = Lane("analyst", 1, 1, 100)
    with lane.admit() as first, lane.admit() as second:
        first.hold(60)
        with pytest.raises(RefusedRequest) as refusal:
            second.hold(41)
        assert refusal.value.code == 202
        assert "analyst_buffered_bytes_max (100)" in str(refusal.value)
        second.hold(40)
        with pytest.raises(RefusedRequest, match="analyst_handles and waiting_queries_max"), lane.admit():
            pass
    assert (lane.queries, lane.bytes_held) == (0, 0)


@pytest.mark.parametrize(("user", "setting"), [(ANALYST, "analyst_body_bytes_max"), (WRITER, "body_bytes_max")])
def test_a_body_that_is_too_large_names_its_own_setting(user: str, setting: str) -> None:
    """Sent large, or small and large when it is unpacked: whoever raises the setting that is named gets through."""
    settings = EmbeddedClickHouseSettings(
        query_bytes_max=1_024, analyst_body_bytes_max=2_000, body_bytes_max=2_000, waiting_queries_max=8
    )

    async def refusals() -> list[str]:
        async with client(app(settings), user) as sender:
            large = b"SELECT '" + b"x" * 3_000 + b"'"
            packed = {"content": gzip.compress(large), "headers": {"Content-Encoding": "gzip"}}
            return [(await sender.post("/", **asked)).text for asked in ({"content": large}, packed)]

    for text in asyncio.run(refusals()):
        assert f"larger than {setting} (2000)" in text


def test_a_place_is_taken_before_the_body_is_read() -> None:
    """Bodies that never end hold as many places as there are, and the next request is refused at once."""

    async def fill() -> None:
        application = app()
        never, asking = asyncio.Event(), asyncio.Semaphore(0)

        async def endless() -> Any:
            yield b"SELECT "
            asking.release()
            await never.wait()

        async with client(application, ANALYST) as analyst:
            queries_max = application.lanes[ANALYST].queries_max
            waiting = [asyncio.create_task(analyst.post("/", content=endless())) for _ in range(queries_max)]
            for _ in range(queries_max):
                await asking.acquire()
            answer = await analyst.post("/", content=b"SELECT 1")
            assert answer.headers["x-clickhouse-exception-code"] == "202"
            never.set()
            await asyncio.gather(*waiting)

    asyncio.run(fill())


def test_an_answer_that_nobody_reads_gives_its_place_back() -> None:
    """The application stops sending after its time, and the connection is cut: closing it would wait for the reader."""

    class Connection(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.cut = asyncio.Event()

        def abort(self) -> None:
            self.cut.set()

        def close(self) -> None: ...

    async def never_read() -> None:
        application = app(msgspec.structs.replace(SETTINGS, answer_seconds_max=1))
        body = iter([{"type": "http.request", "body": b"SELECT 1", "more_body": False}])

        async def receive() -> Any:
            return next(body)

        async def send(_event: Any) -> None:
            assert application.lanes[ANALYST].bytes_held > 0
            await asyncio.Event().wait()

        headers = [(b"x-clickhouse-user", b"analyst"), (b"x-clickhouse-key", b"a")]
        scope = {"type": "http", "path": "/", "method": "POST", "query_string": b"", "headers": headers}
        await application(scope, receive, send)
        lane = application.lanes[ANALYST]
        assert (lane.queries, lane.bytes_held) == (0, 0)

        class Protocol(PatientProtocol):
            answer_seconds_max = 0

        protocol = Protocol(uvicorn.Config(application), ServerState(), {})
        protocol.connection_made(connection := Connection())
        protocol.pause_writing()
        await asyncio.wait_for(connection.cut.wait(), PATIENCE_SECONDS)

    asyncio.run(never_read())


def test_a_query_is_read_only_up_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement of megabytes is refused by its size: the tokeniser is shown no more than the bound."""
    from embedded.clickhouse import sql_text

    shown: list[int] = []
    original = sql_text.tokens

    def tokens(text: bytes) -> Any:
        shown.append(len(text))
        return original(text)

    monkeypatch.setattr(sql_text, "tokens", tokens)
    for body in (b"SELECT " + b"/*" * 2_000_000, b"INSERT INTO t (a) " + b"(" * 4_000_000, b"(" * 4_000_000):
        with pytest.raises(RefusedRequest) as refusal:
            read_query(
                Request("POST", "", {}, body), query_bytes_max=10_000, tokens_max=9_000, fields_max=10, database="d"
            )
        assert refusal.value.code == 62
    assert max(shown) <= 10_000


def test_forms_have_so_many_fields() -> None:
    """Parameters in the address, in a form and in parts are counted; parts within parts are not unpacked."""

    def code(query_string: str, headers: dict[str, str], body: bytes) -> int:
        request = Request("POST", query_string, headers, body)
        with pytest.raises(RefusedRequest) as refusal:
            read_query(request, query_bytes_max=10_000, tokens_max=9_000, fields_max=10, database="d")
        return refusal.value.code

    many = "&".join(f"param_{number}=1" for number in range(100_000))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert code(many, {}, b"SELECT 1") == 36
    assert code("query=SELECT+1", form, many.encode()) == 36
    multipart = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1\r\n'
    assert code("", multipart, part * 100_000) == 36
    assert code("", multipart, b"--b\r\n" + b"X" * 100_000) == 36
    assert code("", {"content-type": "multipart/form-data"}, part) == 36
    nested = b"--b\r\nContent-Type: multipart/form-data; boundary=c\r\n\r\n" * 5
    assert code("", multipart, nested) == 62


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    folder = tmp_path_factory.mktemp("stalled") / "clickhouse"
    with EmbeddedClickHouse(folder, SETTINGS, passwords=PASSWORDS) as running:
        write(running, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
        yield running


def write(server: EmbeddedClickHouse, sql: str) -> httpx.Response:
    return httpx.post(server.url, content=sql.encode(), auth=("watchloop", "w"), timeout=PATIENCE_SECONDS)


def ask(server: EmbeddedClickHouse, **request: Any) -> httpx.Response:
    return httpx.post(server.url, auth=("analyst", "a"), timeout=PATIENCE_SECONDS, **request)


def bomb(size: int) -> bytes:
    return b"SELECT '" + b"0" * size + b"'"


WORST: list[tuple[dict[str, Any], set[str]]] = [
    ({"content": b"SELECT " + b"/*" * 130_000}, {"62"}),
    ({"content": b"SELECT " + b"$a" * 130_000 + b" FROM"}, {"62", "497"}),
    ({"content": b"SELECT " + b"(" * 260_000}, {"62", "306"}),
    ({"content": b"SELECT '" + b"''" * 130_000}, {"62"}),
    ({"content": b"SELECT " + b"1," * 130_000 + b"1"}, {"62", "168"}),
    ({"content": b"SELECT " + b"[" * 5_000 + b"]" * 5_000}, {"62", "306", "167"}),
    ({"content": b"SELECT " + b"CASE WHEN 1 THEN " * 5_000}, {"62", "306", "718"}),
    ({"content": b"x" * 2_000_000}, {"307"}),
    ({"content": gzip.compress(bomb(20_000_000)), "headers": {"Content-Encoding": "gzip"}}, {"307"}),
    ({"content": lz4.frame.compress(bomb(20_000_000)), "headers": {"Content-Encoding": "lz4"}}, {"307"}),
    ({"data": {f"param_{number}": "1" for number in range(5_000)}}, {"36"}),
    ({"content": b"SELECT 1", "headers": {f"x-{number}": "y" * 100 for number in range(1_000)}}, {"400"}),
    ({"content": b"SELECT sleepEachRow(1) FROM numbers(2)"}, {"", "202"}),
    ({"content": b"SELECT repeat('x', 1000000) FROM numbers(100)"}, {"", "202"}),
]  # fmt: skip


def code_of(answer: httpx.Response) -> str:
    default = "" if answer.status_code == 200 else str(answer.status_code)
    return answer.headers.get("x-clickhouse-exception-code", default)


@pytest.mark.servers
@pytest.mark.parametrize("number", range(len(WORST)))
def test_the_worst_is_answered_with_the_bound_that_it_meets(number: int, server: EmbeddedClickHouse) -> None:
    """Whatever is too large, too deep or too many is refused with the code of its bound, and the server goes on."""
    request, codes = WORST[number]
    assert code_of(ask(server, **request)) in codes
    assert ask(server, content=b"SELECT 1").text == "1\n"


@pytest.mark.servers
def test_inserts_go_on_while_analysts_send_their_worst(server: EmbeddedClickHouse) -> None:
    """Four analysts send the worst without end until the writer has made its inserts; each of them is stored."""
    stored = int(write(server, "SELECT count() FROM t").text)
    inserted, sent = threading.Event(), threading.Semaphore(0)

    def attack(start: int) -> None:
        turn = start
        while not inserted.is_set():
            request, _codes = WORST[turn % len(WORST)]
            with contextlib.suppress(httpx.TransportError):  # refused in the middle of what it sends
                ask(server, **request)
            sent.release()
            turn += 1

    threads = [threading.Thread(target=attack, args=(2 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(8):
            assert write(server, f"INSERT INTO t FORMAT CSV\n{number}").status_code == 200
            sent.acquire()
    finally:
        inserted.set()
        for thread in threads:
            thread.join()
    assert write(server, "SELECT count() FROM t").text == f"{stored + 8}\n"


def raw(server: EmbeddedClickHouse, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
    connection.sendall(data)
    return connection


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: analyst\r\nX-ClickHouse-Key: a\r\n"


@pytest.mark.servers
def test_an_address_has_a_bound(server: EmbeddedClickHouse) -> None:
    """Megabytes before the first line break, or parameters of a hundred thousand bytes, are answered 400."""
    for head in (
        b"POST /?query=" + b"x" * 3_000_000,
        HEAD.replace(b"/ ", b"/?param_a=" + b"x" * 100_000 + b" ") + b"\r\n",
    ):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
            assert connection.recv(20).startswith(b"HTTP/1.1 400")
        connection.close()
    assert ask(server, content=b"SELECT 1").text == "1\n"


@pytest.mark.servers
def test_slow_clients_are_sent_away(server: EmbeddedClickHouse) -> None:
    """A head or a body that does not come ends with the connection."""
    slow_head = raw(server, b"POST / HTTP/1.1\r\nHost:")
    silent = raw(server, b"")
    slow_body = raw(server, HEAD + b"Content-Length: 100\r\n\r\nSELECT")
    for connection in (slow_head, silent):
        assert connection.recv(1_000) == b""
    answer = b""
    while piece := slow_body.recv(10_000):
        answer += piece
    assert b"x-clickhouse-exception-code: 209" in answer.lower()
    assert write(server, "SELECT 1").text == "1\n"
    for connection in (slow_head, silent, slow_body):
        connection.close()


@pytest.mark.servers
def test_more_connections_than_there_may_be_are_answered(tmp_path: Path) -> None:
    """One connection more than connections_max gets 503; when others go, there is room again."""
    settings = EmbeddedClickHouseSettings(connections_max=8, head_seconds_max=60)
    with EmbeddedClickHouse(tmp_path / "clickhouse", settings, passwords=PASSWORDS) as running:
        idle = [raw(running, b"") for _ in range(8)]
        assert write(running, "SELECT 1").status_code == 503
        for connection in idle:
            connection.close()
        while write(running, "SELECT 1").status_code == 503:
            pass
        assert write(running, "SELECT 1").text == "1\n"


@pytest.mark.servers
def test_headers_of_the_answer_cannot_be_written_by_the_query(server: EmbeddedClickHouse) -> None:
    """A query's id with line breaks ends no line of the head."""
    answer = ask(server, content=b"SELECT 1", params={"query_id": "x\r\nSet-Cookie: a=b\r\n\r\nü"})
    assert answer.text == "1\n"
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-clickhouse-query-id"].startswith("x??Set-Cookie")
