"""Signing in and out, how long a session lasts, and what guessing meets."""

from __future__ import annotations

import msgspec
import sample_data


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
