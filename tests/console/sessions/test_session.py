"""Signing in and out, how long a session lasts, and what guessing meets."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.sessions.signed_out import SESSIONS_PER_PERSON_MAX, SignedOut
from schemas.wire.sign_out import SignOut
from tests.support.console import sample_data


def test_right_password_opens_a_session(visit):
    """Who signs in is who the API then knows, without their password hash."""
    browser = visit("maria")
    answer = browser.get("/api/session")
    assert answer.json()["person"] == {
        "person_id": "maria",
        "name": "Maria Okafor",
        "roles": ["reviewer"],
        "simulated": False,
    }
    assert "argon2" not in answer.text


def test_wrong_password_and_unknown_person_look_the_same(visit):
    """Nobody learns from the answer which accounts there are."""
    browser = visit()
    wrong, unknown = browser.sign_in("maria", "wrong password"), browser.sign_in("nobody", "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert browser.get("/api/session").json()["person"] is None


def test_guessing_has_to_wait_and_may_go_on_later(visit, clock):
    """After the allowed failures even the right password waits, with Retry-After; afterwards it is taken."""
    browser = visit()
    assert [browser.sign_in("maria", f"guess {n}").status_code for n in range(5)] == [401] * 5
    refused = browser.sign_in("maria")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert refused.json()["detail"] == "too many failed sign-ins; try again in 60 seconds"
    assert browser.sign_in("jonas").status_code == 200
    clock.pass_seconds(61)
    assert browser.sign_in("maria").status_code == 200


def test_one_address_cannot_guess_through_many_people(visit, make_console):
    """The address has a limit of its own, which a right password of somebody does not reset."""
    browser = visit(app=make_console(sign_in_failures_per_address_max=4))
    for person in ("a", "b"):
        assert browser.sign_in(person, "guess").status_code == 401
    assert browser.sign_in("jonas").status_code == 200
    for person in ("c", "d"):
        assert browser.sign_in(person, "guess").status_code == 401
    assert browser.sign_in("jonas").status_code == 429


def test_right_password_clears_the_failures_of_its_person(visit):
    """Four typing errors a day do not add up."""
    browser = visit()
    for _ in range(3):
        for n in range(4):
            assert browser.sign_in("maria", f"guess {n}").status_code == 401
        assert browser.sign_in("maria").status_code == 200


def test_cookies_are_kept_from_scripts_and_other_sites(visit, make_console):
    """HttpOnly and SameSite always; Secure where the settings say so."""
    plain = visit().sign_in("maria").headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=lax" in plain
    assert "; secure" not in plain
    browser = visit(app=make_console(secure_cookies=True))
    assert [cookie.secure for cookie in browser.client.cookies.jar] == [True]
    assert browser.get("/api/session").headers["strict-transport-security"] == "max-age=31536000"


def test_session_survives_a_restart_with_the_same_secret_only(visit, make_console):
    """A new start with the same secret knows the cookie; one with another secret does not."""
    first = visit("maria")
    again = visit(app=make_console())
    again.client.cookies = first.client.cookies
    assert again.get("/api/session").json()["person"]["person_id"] == "maria"
    other = visit(app=make_console(secret="another secret, also of forty characters."))
    other.client.cookies = first.client.cookies
    assert other.get("/api/session").json()["person"] is None


def test_session_ends_after_its_longest_time(visit, clock):
    """However busy, after session_seconds_max one signs in again."""
    browser = visit("maria")
    clock.pass_seconds(24 * 3600 - 1)
    assert browser.get("/api/state").status_code == 200
    clock.pass_seconds(2)
    assert browser.get("/api/state").status_code == 401


def test_disabled_account_and_new_password_end_sessions_at_once(visit, desk):
    """What an admin changes holds from the next request on."""
    maria, jonas = visit("maria"), visit("jonas")
    desk.people["maria"] = msgspec.structs.replace(desk.people["maria"], disabled=True)
    desk.people["jonas"] = msgspec.structs.replace(desk.people["jonas"], password_hash="$argon2id$another")
    assert maria.get("/api/state").status_code == 401
    assert jonas.get("/api/state").status_code == 401
    assert maria.sign_in("maria").status_code == 401


def test_signing_out_ends_a_copied_cookie_too(visit):
    """Who has copied the cookie before is signed out as well."""
    browser, thief = visit("maria"), visit()
    stolen = dict(browser.client.cookies)
    assert browser.delete("/api/session").status_code == 204
    for name, value in stolen.items():
        thief.client.cookies.set(name, value)
    assert thief.get("/api/state").status_code == 401


def test_page_sign_in_goes_where_one_wanted(visit):
    """The sign-in page leads back to the page that was asked for, with its query."""
    browser = visit()
    sent = browser.get("/queue?lane=audit")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/queue%3Flane%3Daudit")
    assert 'value="/queue?lane=audit"' in browser.get(sent.headers["location"]).text
    done = browser.form("/sign-in", person="maria", password=sample_data.PASSWORD, next="/queue?lane=audit")
    assert (done.status_code, done.headers["location"]) == (303, "/queue?lane=audit")


def test_sign_in_never_leads_to_another_site(visit):
    """A crafted ``next`` leads home."""
    browser = visit()
    for target in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/sign-out"):
        done = browser.form("/sign-in", person="maria", password=sample_data.PASSWORD, next=target)
        assert done.headers["location"] == "/queue", target


def test_failed_page_sign_in_shows_one_line_and_keeps_the_name(visit):
    """The form comes back with what was wrong, the name and no password."""
    browser = visit()
    answer = browser.form("/sign-in", person="maria", password="not this one")
    assert answer.status_code == 401
    assert "Person or password is wrong." in answer.text
    assert 'value="maria"' in answer.text
    assert "not this one" not in answer.text


def test_a_sign_out_lasts_over_a_restart(make_console, visit, desk, clock):
    """Another start that has heard the log refuses the copied cookie; one that has not would take it."""
    told = []

    async def tell(sign_out):
        told.append(sign_out)

    app = make_console(store_sign_out=tell)
    browser = visit("maria", app)
    stolen = dict(browser.client.cookies)
    assert browser.delete("/api/session").status_code == 204
    (ended,) = told
    for heard, status in (([], 200), ([ended], 401)):
        signed_out = SignedOut(86_400)
        for sign_out in heard:
            signed_out.hear(sign_out, clock())
        thief = visit(app=make_console(signed_out=signed_out))
        for name, value in stolen.items():
            thief.client.cookies.set(name, value)
        assert thief.get("/api/state").status_code == status


def test_a_sign_out_that_does_not_last_says_so(make_console, visit):
    """The log does not take it: 503, the browser is signed out all the same, and this console refuses the cookie."""

    async def tell(_):
        raise ConnectionError("Kafka does not answer")

    app = make_console(store_sign_out=tell)
    browser, thief = visit("maria", app), visit(app=app)
    stolen = dict(browser.client.cookies)
    answer = browser.delete("/api/session")
    assert (answer.status_code, "Kafka does not answer" in answer.json()["detail"]) == (503, True)
    assert browser.get("/api/state").status_code == 401
    for name, value in stolen.items():
        thief.client.cookies.set(name, value)
    assert thief.get("/api/state").status_code == 401


def test_signing_out_everywhere_ends_all_sessions_of_the_person_alone(visit, clock):
    """On the page and by the API; afterwards one may sign in again, at once."""
    for way in ("page", "api"):
        first, second, other = visit("maria"), visit("maria"), visit("jonas")
        if way == "page":
            assert first.form("/sign-out", everywhere="yes").status_code == 303
        else:
            assert first.delete("/api/session?everywhere=true").status_code == 204
        assert [browser.get("/api/state").status_code for browser in (first, second, other)] == [401, 401, 200]
        assert first.sign_in("maria").status_code == 200
        assert first.get("/api/state").status_code == 200
        clock.pass_seconds(1)


def test_signing_out_alone_leaves_other_browsers_in(visit):
    """A session is one browser's."""
    first, second = visit("maria"), visit("maria")
    assert first.form("/sign-out").status_code == 303
    assert [browser.get("/api/state").status_code for browser in (first, second)] == [401, 200]


NOW = 1_772_000_000_000


def ended(person="p", session="s", began_at=NOW - 1_000, at=NOW):
    return SignOut(person=person, session_id=session, began_at=began_at, ended_at=at)


def test_what_is_forgotten_of_ended_sessions_stays_ended():
    """Beyond the bounds older sessions of anybody count as ended; newer ones do not."""
    of_one = SignedOut(86_400)
    for number in range(SESSIONS_PER_PERSON_MAX + 5):
        of_one.hear(ended(session=f"s-{number}", began_at=NOW - 10_000 + number), NOW)
    assert len(of_one) == SESSIONS_PER_PERSON_MAX
    assert all(of_one.has_ended("p", f"s-{n}", NOW - 10_000 + n) for n in range(SESSIONS_PER_PERSON_MAX + 5))
    assert not of_one.has_ended("p", "live", NOW - 10_000 + 50)
    assert not of_one.has_ended("q", "s-0", NOW - 10_000)


def test_people_whose_ended_sessions_are_remembered_are_bounded(monkeypatch):
    """Beyond the bound all sessions of that age have ended: more than were asked for, never fewer."""
    monkeypatch.setattr("console.sessions.signed_out.PEOPLE_MAX", 3)
    many = SignedOut(86_400)
    for number in range(5):
        many.hear(ended(person=f"p{number}", began_at=NOW - 1_000 + number), NOW)
    assert len(many) == 3
    assert all(many.has_ended(f"p{n}", "s", NOW - 1_000 + n) for n in range(5))
    assert not many.has_ended("p0", "live", NOW - 900)


@given(st.permutations([ended(session=f"s{n}", began_at=NOW - n) for n in range(4)] + [ended(session="", at=NOW - 2)]))
@settings(max_examples=30, deadline=None)
def test_ends_of_sessions_may_come_in_any_order_and_again(told):
    """Which sessions have ended does not depend on the order of the log."""
    signed_out = SignedOut(86_400)
    for sign_out in [*told, *told[:2]]:
        signed_out.hear(sign_out, NOW)
    assert [signed_out.has_ended("p", f"s{n}", NOW - n) for n in range(4)] == [True] * 4
    assert [signed_out.has_ended("p", "other", NOW - n) for n in (1, 2, 3)] == [False, True, True]


def test_an_end_in_the_far_future_locks_nobody_out():
    """A record with an absurd time ends what has begun so far, not what will."""
    signed_out = SignedOut(86_400)
    signed_out.hear(ended(session="", at=253_402_300_799_999), NOW)
    assert signed_out.has_ended("p", "s", NOW)
    assert not signed_out.has_ended("p", "s", NOW + 1)
    assert signed_out.earliest("p") == NOW + 1


@pytest.mark.parametrize(
    "value",
    ["", "x", "null", "=", "AAAA", "\u20ac", "YWRkaXRpb25hbF9hdXRoZW50aWNhdGVkX2RhdGE9", "a" * 5_000,
     base64.b64encode(b"n" * 12 + b"additional_authenticated_data={}").decode(),
     base64.b64encode(b"n" * 12 + b'additional_authenticated_data={"expires_at":"x"}').decode(),
     base64.b64encode(b"n" * 12 + b'additional_authenticated_data={"expires_at":9e99}').decode(),
     base64.b64encode(b"additional_authenticated_data=" + b"[" * 3_000).decode()],
)  # fmt: skip
def test_a_foreign_session_cookie_is_no_session(visit, value):
    """Whatever the cookie holds, nobody is signed in, and there is no error."""
    browser = visit()
    names = [name for name in visit("maria").client.cookies if "session" in name]
    assert names
    for name in (names[0], f"{names[0]}-0", f"{names[0]}-99"):
        answer = browser.get("/api/session", headers={"cookie": f"{name}={value}".encode()})
        assert (answer.status_code, answer.json()["person"]) == (200, None)
