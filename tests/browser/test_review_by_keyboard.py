"""A reviewer works from the keyboard alone, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.browser_steps import sign_in

pytestmark = pytest.mark.browser


def task_in_front(page):
    """The address that the answer of the task in front goes to."""
    return page.locator("form#answer").get_attribute("action")


def test_reviewer_decides_takes_back_and_skips(page, console_url):
    """Enter starts, 2 and Enter decide, the next comes by itself, Backspace brings the last back, Space skips."""
    sign_in(page, console_url, "maria")
    page.keyboard.press("Enter")
    expect(page.locator("#task-title")).to_be_focused()
    first = task_in_front(page)

    page.keyboard.press("2")
    expect(page.get_by_role("radio", name="DOWN")).to_be_checked()
    expect(page.locator("#said")).to_have_text("DOWN chosen")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("Answer taken.")
    expect(page.locator(f'form#answer[action="{first}"]')).to_have_count(0)
    expect(page.locator("#task-title")).to_be_focused()
    second = task_in_front(page)
    assert second != first

    page.keyboard.press("Backspace")
    expect(page.locator(f'form#answer[action="{first}"]')).to_be_visible()
    expect(page.locator("#notice")).to_have_text("Answer taken back.")

    page.keyboard.press("Space")
    expect(page.locator(f'form#answer[action="{first}"]')).to_have_count(0)
    assert page.url == f"{console_url}/work"


def test_enter_without_a_choice_says_so(page, console_url):
    """In the audit lane nothing is chosen ahead: Enter alone gives no answer, and does not seem to."""
    sign_in(page, console_url, "maria")
    page.goto(f"{console_url}/work")
    for _ in range(30):
        if page.get_by_text("What is right?", exact=True).count():
            break
        before = task_in_front(page)
        page.keyboard.press("Space")
        expect(page.locator(f'form#answer[action="{before}"]')).to_have_count(0)
    expect(page.locator("#task-title")).to_have_text("What is right?")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("Choose an answer first.")
    expect(page.locator("#task-title")).to_have_text("What is right?")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("Answer taken.")


def test_help_and_comment_by_keyboard(page, console_url):
    """? opens the help and Escape closes it; in the comment keys are letters, Escape leaves it."""
    sign_in(page, console_url, "maria")
    page.keyboard.press("Enter")
    expect(page.locator("#task-title")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()

    page.keyboard.press("c")
    page.keyboard.type("2 units out ?")
    expect(page.locator("#comment")).to_have_value("2 units out ?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#task-title")).to_be_focused()


def test_space_chooses_where_a_choice_has_the_focus(page, console_url):
    """Who goes through the choices with Tab selects with Space, as everywhere, and does not skip by accident."""
    sign_in(page, console_url, "noor")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Has feature vicprice really changed?")).to_be_focused()
    page.get_by_role("radio", name="confirmed").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="confirmed")).to_be_checked()
    expect(page.get_by_role("heading", name="Has feature vicprice really changed?")).to_be_visible()


def test_lost_cookies_are_told_in_a_line(page, console_url):
    """The page stays, and says what to do."""
    sign_in(page, console_url, "maria")
    page.keyboard.press("Enter")
    expect(page.locator("#task-title")).to_be_focused()
    page.context.clear_cookies()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("this page is out of date; reload it")
    assert [complaint for complaint in page.complaints if "403" not in complaint] == []
    page.complaints.clear()


def test_keys_can_be_switched_off(page, console_url):
    """Who uses other software that listens to keys can do without ours; ? still brings the switch back."""
    sign_in(page, console_url, "maria")
    page.keyboard.press("Enter")
    expect(page.locator("#task-title")).to_be_focused()
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    expect(page.get_by_role("radio", name="Cannot tell")).not_to_be_checked()
    page.keyboard.press("?")
    page.get_by_label("Use these keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    expect(page.get_by_role("radio", name="Cannot tell")).to_be_checked()


def test_report_runs_but_cannot_reach_the_session(page, console_url):
    """The embedded report draws itself; the cookies are out of its reach."""
    sign_in(page, console_url, "noor")
    page.goto(f"{console_url}/alerts/a-vicprice-1")
    frame = page.frame_locator("iframe.report")
    expect(frame.locator("#said")).to_have_text("1 of 7 columns drifted")
    inner = next(each for each in page.frames if "/reports/" in each.url)
    assert inner.title() == "cookies: refused"
