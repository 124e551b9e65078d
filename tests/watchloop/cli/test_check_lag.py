"""``watchloop check`` reports a lag that does not shrink."""

from __future__ import annotations

import time

import msgspec
import pytest

from agents.settings import Settings, WorkerSettings
from schemas.topics import LABELS
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from watchloop.cli.check import _lags

pytestmark = pytest.mark.servers


def test_a_message_that_waits_for_long_is_trouble(kafka_topics: KafkaSettings) -> None:
    """A single unread message is reported with its age; roles with nothing to read are in order."""
    outbox = Outbox(kafka_topics)
    outbox.send(LABELS, "one", b"{}")
    outbox.flush()
    settings = Settings(kafka=kafka_topics, worker=WorkerSettings(lag_seconds_warning=1.0))
    time.sleep(2.5)
    findings = {finding.what: finding for finding in _lags(settings)}
    assert findings["lag of intake"].says == "0 messages: keeping up"
    assert [findings[f"lag of {role}"].ok for role in ("intake", "drift", "learn")] == [True] * 3
    for role in ("labels", "record"):
        assert not findings[f"lag of {role}"].ok
        assert findings[f"lag of {role}"].says.startswith("1 message, waiting for ")
        assert findings[f"lag of {role}"].says.endswith(" s: falling behind")
    patient = msgspec.structs.replace(settings, worker=WorkerSettings())
    assert all(finding.ok for finding in _lags(patient))
