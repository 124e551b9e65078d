"""What a person does in several tests."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.console import sample_data


def sign_in(page, url, person):
    """Signs in without touching the mouse: the first field has the focus already."""
    page.goto(url)
    expect(page.locator("#person")).to_be_focused()
    page.keyboard.type(person)
    page.keyboard.press("Tab")
    page.keyboard.type(sample_data.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
