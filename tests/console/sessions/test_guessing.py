"""Guessing from elsewhere does not lock a person out, and gets slower the longer it goes on."""

from __future__ import annotations

import asyncio

import pytest
from httpx import ASGITransport, AsyncClient

from console.sessions.devices import DEVICE_SECONDS_MAX, Devices
from console.sessions.guessing import Attempt, Guessing, PasswordTurns, TurnsTaken, network_of
from console.settings import ConsoleSettings
from tests.support.console import sample_data

HERE, THERE = "192.0.2.1", "203.0.113.9"
DAY_MS = 86_400_000


@pytest.fixture
def guessing():
    return Guessing(ConsoleSettings(), Devices(b"k" * 32))


def fail(guessing, person, address, now_ms, cookie=""):
    """One wrong password; the seconds to wait where it may not be tried."""
    attempt = guessing.begin(person, address, cookie, now_ms)
    if isinstance(attempt, Attempt):
        guessing.was_wrong(attempt, now_ms)
        return 0
    return attempt


def succeed(guessing, person, address, now_ms, cookie=""):
    """The right password; None where it may not be tried, else the browser's cookie."""
    attempt = guessing.begin(person, address, cookie, now_ms)
    return guessing.was_right(attempt, now_ms) if isinstance(attempt, Attempt) else None


def hammer(guessing, person, now_ms, addresses=20):
    """Guess from many addresses until every one of them has to wait."""
    for number in range(addresses):
        for _ in range(60):
            fail(guessing, person, f"198.51.100.{number}", now_ms)


def test_a_browser_that_signed_in_before_is_not_locked_out(guessing):
    """Wherever it is now, and whatever others do; a stranger waits."""
    cookie = succeed(guessing, "admin", HERE, 0)
    hammer(guessing, "admin", 1_000)
    assert fail(guessing, "admin", THERE, 1_000) == 60
    assert succeed(guessing, "admin", THERE, 1_000, cookie)


def test_an_address_that_signed_in_before_is_not_locked_out(guessing):
    """A program without cookies, from where it always comes."""
    assert succeed(guessing, "admin", HERE, 0)
    hammer(guessing, "admin", 1_000)
    assert succeed(guessing, "admin", HERE, 1_000)
    assert succeed(guessing, "admin", THERE, 1_000) is None


def test_guessing_at_the_same_address_does_not_lock_a_known_browser_out(guessing):
    """Behind a proxy that is not trusted all share one address: the cookie still tells them apart."""
    cookie = succeed(guessing, "admin", HERE, 0)
    for number in range(80):
        fail(guessing, f"name {number}", HERE, 1_000)
    for _ in range(10):
        fail(guessing, "admin", HERE, 1_000)
    assert succeed(guessing, "admin", HERE, 1_000) is None
    assert succeed(guessing, "admin", HERE, 1_000, cookie)


def test_a_stolen_cookie_is_worth_a_few_guesses_with_growing_waits(guessing):
    """Its own allowance, then that of a stranger, then waiting."""
    cookie = succeed(guessing, "admin", HERE, 0)
    tried = sum(fail(guessing, "admin", THERE, 1_000, cookie) == 0 for _ in range(100))
    assert tried == 10
    day = sum(fail(guessing, "admin", THERE, 1_000 + n * 10_000, cookie) == 0 for n in range(8_640))
    assert day <= 2 * (24 * 4 + 5)


def test_guesses_at_one_person_from_everywhere_are_few(guessing):
    """A thousand addresses make no difference: at most a hundred or so a day (NIST SP 800-63B)."""
    tried = sum(fail(guessing, "admin", f"10.0.{n % 4}.{n % 251}", n * 5_000) == 0 for n in range(17_280))
    assert tried <= 5 + 24 * 4 + 5


def test_a_browser_that_tries_other_names_loses_its_own_allowance(guessing):
    """A cookie gives nothing to somebody who works through a list of people."""
    cookie = succeed(guessing, "maria", HERE, 0)
    fail(guessing, "admin", THERE, 1_000, cookie)
    attempt = guessing.begin("maria", THERE, cookie, 1_000)
    assert attempt.allowance == "stranger"


@pytest.mark.parametrize(
    "change",
    [
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: "",
        lambda cookie: cookie + "x",
        lambda cookie: "€" * len(cookie),
        lambda cookie: cookie.replace(".", "", 1),
        lambda cookie: "\ud800",
    ],
)
def test_a_cookie_that_was_not_made_here_is_none(change):
    """Forged, cut, or rubbish."""
    devices = Devices(b"k" * 32)
    assert devices.read(change(devices.cookie_of("maria", 0)), 0) is None
    assert devices.read(devices.cookie_of("maria", 0), DEVICE_SECONDS_MAX * 1_000 + 1) is None
    assert Devices(b"l" * 32).read(devices.cookie_of("maria", 0), 0) is None


def test_a_cookie_does_not_say_whose_it_is():
    """Nor does one person's say anything of another's."""
    devices = Devices(b"k" * 32)
    cookie = devices.cookie_of("maria", 0)
    assert "maria" not in cookie
    assert devices.read(cookie, 0).person_mark == devices.mark_of("maria") != devices.mark_of("jonas")


def test_memory_is_bounded():
    """Whatever names and addresses are made up."""
    guessing = Guessing(ConsoleSettings(sign_in_entries_max=50), Devices(b"k" * 32))
    for number in range(2_000):
        succeed(guessing, f"p{number}", f"10.1.{number // 250}.{number % 250}", number)
        fail(guessing, f"q{number}", f"10.2.{number // 250}.{number % 250}", number)
    counters = [guessing._by_device, guessing._by_known_network, guessing._by_person, guessing._by_network]
    assert max(len(counter) for counter in counters) <= 50
    assert len(guessing._known_networks) <= 50


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_what_counts_as_one_place(address, network):
    """A /64 of IPv6 belongs to one household or server."""
    assert network_of(address) == network


async def test_turns_are_bounded_and_known_browsers_have_their_own():
    """A flood of sign-ins waits in a bounded line; one more is refused at once."""
    turns = PasswordTurns(1, 2)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def stay():
        async with turns:
            inside.set()
            await leave.wait()

    staying = [asyncio.create_task(stay()) for _ in range(3)]
    await inside.wait()
    await asyncio.sleep(0)
    with pytest.raises(TurnsTaken):
        async with turns:
            pass
    leave.set()
    await asyncio.gather(*staying)
    async with turns:
        pass


def test_the_owner_gets_in_while_admin_is_hammered(visit, make_console, clock):
    """Over HTTP: an attacker without the cookie waits ever longer; the owner's browser signs in at once."""
    app = make_console()
    owner, attacker = visit("ada", app), visit(app=app)
    owner.delete("/api/session")
    codes = [attacker.sign_in("ada", f"guess {n}").status_code for n in range(60)]
    assert codes.count(401) == 10  # five of the address where ada signed in, five of a stranger
    assert codes[-1] == 429
    waits = []
    for _ in range(4):
        waits.append(int(attacker.sign_in("ada", "guess").headers["retry-after"]))
        clock.pass_seconds(waits[-1])
        while attacker.sign_in("ada", "guess").status_code == 401:
            pass
    assert waits == [60, 120, 240, 480]
    assert owner.sign_in("ada").status_code == 200


def test_forwarded_addresses_are_believed_from_trusted_proxies_only(make_console):
    """Otherwise whoever guesses could make up an address for every guess."""
    for trusted, expected in ((), 429), (("192.0.2.0/24",), 401):
        app = make_console(sign_in_failures_per_address_max=5, trusted_proxies=trusted)
        seen = [forwarded_sign_in(app, f"guesser {n}", f"203.0.113.{n}") for n in range(7)]
        assert seen[-1] == expected, trusted


def forwarded_sign_in(app, person, address):
    """The status of a wrong password sent through a proxy at 192.0.2.1."""

    async def send():
        transport = ASGITransport(app=app, client=("192.0.2.1", 4711))
        async with AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            token = (await client.get("/api/session")).json()["csrf_token"]
            headers = {"x-csrftoken": token, "x-forwarded-for": address}
            body = {"person": person, "password": sample_data.PASSWORD + "!"}
            return (await client.post("/api/session", json=body, headers=headers)).status_code

    return asyncio.run(send())
