"""Fixtures of the roles' tests."""

from __future__ import annotations

import pytest

from tests.support.alert_house import House


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """DESK and DRIFT around one log; DESK waits for an alert's change for a moment only."""
    monkeypatch.setattr("agents.desk.live_desk.ALERT_CHANGE_SECONDS_MAX", 0.1)
    return House()
