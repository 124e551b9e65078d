"""Makes the console's fixtures known to these tests."""

from __future__ import annotations

from tests.support.console.console_fixtures import clock, console, desk, make_console, visit  # noqa: F401
