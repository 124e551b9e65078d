"""Every page in a real browser: nothing for the console to complain of, and nothing wider than the window."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from console.app import create_app
from console.settings import ConsoleSettings
from tests.support.browser_steps import sign_in
from tests.support.console.console_fixtures import SECRET, sample_desk

pytestmark = pytest.mark.browser

NO_PAGES = {
    "/healthz", "/metrics", "/static/{file_path}", "/schema/openapi.json", "/schema/{path}", "/reports/{report_id}",
    "/work/waiting",
}  # fmt: skip
"""Answers that are no pages of the console; the report stands in the page of its alert."""

LONG_WORDS = """
() => {
  const fixed = "thead, button, kbd, .badge, .lane, nav, .due, .open, .hidden, .brand, .button";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest(fixed) || parent.closest("script, style, dialog")) continue;
    node.textContent = parent.closest(".num, .figure, .figures dd")
      ? "1\u202f234\u202f567\u202f890\u202f123,456789" : "W".repeat(200);
  }
}
"""
"""Every text of the data becomes one long word, and every number a long one as another locale writes it."""


def pages():
    """The addresses of all pages, from the routes of the application itself, filled in from the sample data."""
    app = create_app(sample_desk(lambda: 1_772_000_000_000), settings=ConsoleSettings(secret=SECRET), metrics=None)
    paths = []
    for route in app.routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        if "GET" in getattr(route, "methods", ()) and not path.startswith("/api/") and path not in NO_PAGES:
            paths.append(path.replace("{alert_id}", "a-vicprice-1"))
    return paths


def addresses(page, url):
    """All pages, a task among them, and each list by each of its filters."""
    page.goto(f"{url}/queue")
    task = page.locator("td.open a").first.get_attribute("href")
    filters = [link.get_attribute("href") for link in page.locator(".filters a").all()]
    page.goto(f"{url}/alerts")
    filters += [link.get_attribute("href") for link in page.locator(".filters a").all()]
    known = [path.replace("/tasks/{task_id}", task) for path in pages()]
    assert not any("{" in path for path in known), known
    assert {"/queue", "/work", "/alerts", "/alerts/a-vicprice-1", "/loop", "/schema", task} <= set(known)
    return [*known, *filters]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_anything_for_the_console_to_complain_of(page, console_url, scheme):
    """No error, no warning, no request that fails, nothing that the content security policy stops: on any page, and
    while tasks are answered, taken back and skipped, and the help is opened."""
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{console_url}/sign-in")
    sign_in(page, console_url, "noor")
    for address in addresses(page, console_url):
        page.goto(console_url + address, wait_until="networkidle")
    page.goto(f"{console_url}/loop")
    page.wait_for_timeout(100)
    page.context.clear_cookies()
    sign_in(page, console_url, "maria")
    page.keyboard.press("Enter")
    for key in ("?", "Escape", "c", "Escape", "2", "Enter", "Backspace", "Space", "?", "Escape", "1", "Enter", "Space"):
        expect(page.locator("#task-title")).to_be_visible()
        page.keyboard.press(key)
        page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#person")).to_be_visible()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("words", ["as they are", "long"])
def test_no_page_is_wider_than_the_window(page, console_url, width, words):
    """Whatever the data hold: any table, any name, any number as any locale writes it."""
    page.set_viewport_size({"width": width, "height": 740})
    sign_in(page, console_url, "noor")
    for address in addresses(page, console_url):
        page.goto(console_url + address)
        if words == "long":
            page.evaluate(LONG_WORDS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, beyond(page, width))


def beyond(page, width):
    """The elements that stick out."""
    return page.evaluate(
        """(width) => [...document.querySelectorAll("body *")]
           .filter((one) => one.getBoundingClientRect().right > width)
           .slice(0, 8).map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 30)}`)""",
        width,
    )
