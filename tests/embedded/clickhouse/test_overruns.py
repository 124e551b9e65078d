"""A statement that the engine does not stop in time ends with the process, and the next process serves as before."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from embedded.clickhouse.engine import OVERRUN_EXIT_CODE, Overruns
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.waiting import PATIENCE_SECONDS

ENDLESS = "SELECT length(arrayMap(x -> has(range(1000000), x + 1000000), range(1000000)))"


def test_only_what_runs_too_long_is_given_up() -> None:
    """Nothing is given up before the bound, nor for what has ended; the oldest of several counts."""
    now, given_up = [0.0], []
    overruns = Overruns(10, given_up.append, lambda: now[0])
    overruns.check()
    with overruns.running():
        now[0] = 8.0
        with overruns.running():
            now[0] = 10.0
            overruns.check()
            assert given_up == []
            now[0] = 11.0
            overruns.check()
            assert given_up == [11.0]
    overruns.check()
    assert given_up == [11.0]
    with pytest.raises(ValueError, match="x"), overruns.running():
        raise ValueError("x")
    now[0] = 100.0
    overruns.check()
    assert given_up == [11.0]


@pytest.mark.servers
def test_a_statement_that_cannot_be_stopped_ends_the_server(tmp_path: Path) -> None:
    """The process ends by itself, its last line says why, and what was stored is there after another start."""
    settings = EmbeddedClickHouseSettings(analyst_seconds_max=1, analyst_overrun_seconds_max=15)
    server = EmbeddedClickHouse(tmp_path / "clickhouse", settings, passwords={"watchloop": "w", "analyst": "a"})

    def ask(user: str, sql: str) -> httpx.Response:
        return httpx.post(server.url, content=sql.encode(), auth=(user, user[0]), timeout=PATIENCE_SECONDS)

    def attack() -> None:
        with pytest.raises(httpx.TransportError):
            ask("analyst", ENDLESS)

    with server:
        assert ask("watchloop", "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 7").status_code == 200
        attacking = threading.Thread(target=attack)
        attacking.start()
        assert server.process is not None
        assert server.process.wait(PATIENCE_SECONDS) == OVERRUN_EXIT_CODE
        attacking.join()
        assert server.ended() == OVERRUN_EXIT_CODE
        assert "a statement of analyst cannot be stopped" in server.last_words()
        assert "analyst_overrun_seconds_max 15" in server.last_words()
        server.start()
        assert ask("analyst", "SELECT a FROM t").text == "7\n"
