"""A console on a free port, and a headless Chromium that visits it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path():
    """Debian's Chromium, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def console_url(tmp_path_factory):
    """The address of a console over sample data, in a process of its own; the tests of a module share its queue."""
    log_path = tmp_path_factory.mktemp("console") / "console.log"
    port = free_port()
    with log_path.open("wb") as log:
        served = subprocess.Popen(
            [sys.executable, "-m", "tests.support.console.serve", str(port)],
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until_it_answers(url, served, log_path)
        yield url
    finally:
        served.terminate()
        served.wait(timeout=PATIENCE_SECONDS)


def until_it_answers(url, served, log):
    for _ in range(300):
        if served.poll() is not None:
            pytest.fail(f"the console ended: {log.read_text()}")
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the console did not answer within 30 s")


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium; the test is skipped where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page that fails the test on any error of its scripts, and on whatever the browser complains of."""
    opened = chromium.new_page()
    opened.set_default_timeout(PATIENCE_SECONDS * 1_000)
    opened.complaints = complaints_of(opened)
    yield opened
    opened.close()
    assert opened.complaints == []


def complaints_of(opened):
    """What goes wrong on a page from now on: errors of scripts, lines of the console, requests that fail.

    A page that is left while it loads ends its requests; that is no failure.
    """
    complaints = []
    opened.on("pageerror", lambda error: complaints.append(f"{opened.url}: {error}"))
    opened.on(
        "console",
        lambda said: complaints.append(f"{opened.url}: {said.text}") if said.type in {"error", "warning"} else None,
    )
    opened.on(
        "requestfailed",
        lambda asked: (
            complaints.append(f"{asked.url}: {asked.failure}") if asked.failure != "net::ERR_ABORTED" else None
        ),
    )
    opened.on(
        "response", lambda answer: complaints.append(f"{answer.url}: {answer.status}") if answer.status >= 400 else None
    )
    return complaints
