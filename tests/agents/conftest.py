"""What tests of agents share."""

from __future__ import annotations

import pytest

from tests.support.alert_house import House


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """DESK and DRIFT around one log; who presses a button on the page of an alert is answered soon."""
    monkeypatch.setattr("agents.desk.live_desk.ALERT_CHANGE_SECONDS_MAX", 0.1)
    return House()
