"""A time zone costs megabytes for good and may be any path: analysts name known ones, as literals, and not too many."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from embedded.clickhouse.analyst.allowed_functions import FUNCTIONS_ALLOWED
from embedded.clickhouse.analyst.time_zones import ZONE_FROM, has_zone_in_name, is_fixed_offset, zones_of_type
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from tests.support.waiting import PATIENCE_SECONDS

PASSWORDS = {"watchloop": "w", "analyst": "a"}
ZONES_MAX = 4


def test_zones_within_types() -> None:
    """Every text in the brackets of a type with a time is a zone, at any depth; other texts are not."""
    text = "Array(Tuple(a DateTime('A'), b Enum8('x' = 1), c Nullable(datetime64(3, 'B')))), d Timestamp('C')"
    assert list(zones_of_type(text)) == ["A", "B", "C"]
    assert has_zone_in_name("j.a.:`DateTime('UTC')`")
    assert has_zone_in_name("j.a.:`DateTime/**/($$UTC$$)`")
    for name in ("toDateTime('2020-01-01')", "time", "j.a.:`DateTime64(3)`", "it's", "DateTime"):
        assert not has_zone_in_name(name)


def test_offsets() -> None:
    """The engine's offsets are quarters of an hour within 14 hours, spelled in one way."""
    assert is_fixed_offset("Fixed/UTC-03:30:00")
    for zone in ("Fixed/UTC+15:00:00", "Fixed/UTC+03:31:00", "Fixed/UTC+3:30:00", "fixed/UTC+03:30:00", "x"):
        assert not is_fixed_offset(zone)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    folder = tmp_path_factory.mktemp("zones") / "clickhouse"
    settings = EmbeddedClickHouseSettings(analyst_time_zones_max=ZONES_MAX)
    with EmbeddedClickHouse(folder, settings, passwords=PASSWORDS) as running:
        yield running


def ask(server: EmbeddedClickHouse, sql: str, **named: str) -> httpx.Response:
    return httpx.post(server.url, content=sql.encode(), params=named, auth=("analyst", "a"), timeout=PATIENCE_SECONDS)


SPELLINGS = ("Europe//Berlin", "file:/usr/share/zoneinfo/Europe/Berlin", "/etc/passwd", "europe/berlin", "Zz/No", "")
STATEMENTS = [
    "SELECT toDateTime(0, '<>')",
    "SELECT toString(now(), '<>')",
    "SELECT now() AT TIME ZONE '<>'",
    "SELECT DATE_TRUNC('day', now(), '<>')",
    "SELECT toStartOfInterval(now(), INTERVAL 1 DAY, toDateTime(0), '<>')",
    "SELECT hopStart(now(), INTERVAL 1 DAY, INTERVAL 3 DAY, '<>')",
    "SELECT makeDateTime64(2020, 1, 1, 0, 0, 0, 0, 3, '<>')",
    "SELECT UUIDv7ToDateTime(generateUUIDv7(), '<>')",
    "SELECT '2020-01-01'::DateTime('<>')",
    "SELECT CAST(now() AS Array(DateTime64(3, '<>')))",
    "SELECT JSONExtract('{}', 'a', 'DateTime(\\'<>\\')')",
    "SELECT '{}'::JSON(a DateTime('<>'))",
    "SELECT j.a.:`DateTime('<>')` FROM (SELECT '{\"a\": 1}'::JSON AS j)",
    "SELECT {p:DateTime('<>')}",
    "SELECT {p:Tuple(a DateTime64(3, '<>'))}",
    "SELECT * FROM values('a DateTime(\\'<>\\')', ('2020-01-01 00:00:00'))",
    "SELECT toDateTime(0, concat('<>', ''))",
    "SELECT toDateTime(0, {zone:String})",
    "WITH '<>' AS zone SELECT toDateTime(0, zone)",
    "SELECT arrayMap(zone -> toDateTime(0, zone), ['<>'])",
    "SELECT toDateTime(0, (SELECT '<>'))",
    "SELECT parseDateTimeInJodaSyntax('2020 <>', 'yyyy z')",
    "SELECT parseDateTimeInJodaSyntax('2020 <>', concat('yyyy ', 'z'))",
    "SELECT parseDateTime64InJodaSyntaxOrNull('2020 <>', 'yyyy zzz')",
    "EXPLAIN SELECT toDateTime(0, '<>')",
    "DESCRIBE (SELECT toDateTime(0, '<>'))",
]


@pytest.mark.servers
@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_path_is_taken_for_a_zone(statement: str, server: EmbeddedClickHouse) -> None:
    """Wherever a zone may stand, a spelling that is no known name, or one that is made there, is refused unread."""
    for zone in SPELLINGS:
        answer = ask(server, statement.replace("<>", zone), param_p="2020-01-01 00:00:00", param_zone=zone)
        assert answer.status_code in (403, 500), answer.text
        assert answer.headers["x-clickhouse-exception-code"] in ("497", "50"), answer.text
        assert "analyst: Not enough privileges" in answer.text


@pytest.mark.servers
def test_what_analysts_write_about_times_is_answered(server: EmbeddedClickHouse) -> None:
    """Known zones as literals, and times without zones, in every place."""
    for sql in (
        "SELECT toDateTime(0, 'UTC'), toStartOfHour(now(), 'Europe/Berlin'), now('UTC'), now64(3, 'UTC'), toString(1)",
        "SELECT toStartOfInterval(now(), INTERVAL 1 DAY, toDateTime('2020-01-01'), 'UTC'), toStartOfWeek(now(), 1)",
        "SELECT toDateTimeOrDefault('x', 'UTC', toDateTime(0)), toDateTime64('2020-01-01', 3), addDays(now(), 1 + 1)",
        "SELECT dateDiff('day', now(), now() + 1, 'UTC'), formatDateTime(now(), '%Y'), toTimeZone(now(), 'UTC')",
        "SELECT CAST('2020-01-01 00:00:00' AS DateTime('UTC')), {p:DateTime('UTC')}, DATE '2020-01-01', toHour(now())",
        "SELECT parseDateTimeInJodaSyntax('2020', 'yyyy'), `toDateTime(0)` FROM (SELECT toDateTime(0))",
        "SELECT makeDateTime64(2020, 1, 1, 0, 0, 0, 1 + 1), makeDateTime(2020, 1, 1, 0, 0, 0, 'UTC')",
    ):
        answer = ask(server, sql, param_p="2020-01-01 00:00:00")
        assert answer.status_code == 200, answer.text


@pytest.mark.servers
def test_a_process_loads_so_many_zones(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One zone more than there may be is refused with the name of the setting; those that are loaded stay usable."""
    folder = tmp_path_factory.mktemp("few") / "clickhouse"
    settings = EmbeddedClickHouseSettings(analyst_time_zones_max=2)
    with EmbeddedClickHouse(folder, settings, passwords=PASSWORDS) as running:
        assert ask(running, "SELECT toDateTime(0, 'UTC'), toDateTime(0, 'Asia/Tokyo')").status_code == 200
        for _again in range(2):
            answer = ask(running, "SELECT toDateTime(0, 'Europe/Berlin')")
            assert answer.headers["x-clickhouse-exception-code"] == "241"
            assert "analyst_time_zones_max (2)" in answer.text
        assert ask(running, "SELECT toDateTime(0, 'Asia/Tokyo')").status_code == 200


ABOUT_TIME = (
    "date",
    "time",
    "day",
    "week",
    "month",
    "year",
    "hour",
    "now",
    "interval",
    "snowflake",
    "uuid",
    "hop",
    "age",
)
BEFORE = ("", "now(), ", "now(), 1, ")


@pytest.mark.servers
def test_no_function_takes_a_zone_that_is_not_known(server: EmbeddedClickHouse) -> None:
    """Each function about time, by any name, gets an unknown zone, which the engine is never asked to load."""
    client = httpx.Client(auth=("analyst", "a"), timeout=PATIENCE_SECONDS)
    listed = ask(server, "SELECT name, alias_to, syntax FROM system.functions FORMAT JSONCompactColumns").json()
    for name, alias, syntax in zip(*listed, strict=True):
        original = (alias or name).lower()
        if original not in FUNCTIONS_ALLOWED or original in ZONE_FROM:
            continue
        assert "[, timezone" not in syntax, name
        assert "[, time_zone" not in syntax, name
        if not any(word in original for word in ABOUT_TIME):
            continue
        for before in BEFORE:
            text = client.post(server.url, content=f"SELECT {name}({before}'Zz/No')").text
            assert "Cannot load time zone" not in text, (name, before)


def test_functions_that_take_a_zone_may_be_called() -> None:
    """The list of places holds no function that is refused anyhow."""
    assert ZONE_FROM.keys() <= FUNCTIONS_ALLOWED
