"""Lines that Kafka clients log: the same wording passes once in a while."""

from __future__ import annotations

import logging

from streams.client_config import REPEAT_SECONDS, WORDINGS_MAX, RepeatFilter


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("streams.kafka", logging.WARNING, "", 0, text, None, None)


def test_a_broker_that_is_away_is_logged_once_in_a_while():
    """The same line with other numbers is held back for a while; another wording is not, and the memory is bounded."""
    now = [100.0]
    let = RepeatFilter(lambda: now[0])
    assert let.filter(line("FAIL [rdkafka#consumer-1] 127.0.0.1:9092/1: Connect failed (after 0ms)"))
    assert not let.filter(line("FAIL [rdkafka#consumer-2] 127.0.0.1:9092/1: Connect failed (after 1ms)"))
    assert let.filter(line("SESSTMOUT [rdkafka#consumer-1]: gone"))
    now[0] += REPEAT_SECONDS
    assert let.filter(line("FAIL [rdkafka#consumer-1] 127.0.0.1:9092/1: Connect failed (after 9ms)"))
    for number in range(3 * WORDINGS_MAX):
        let.filter(line("kind " + "x" * number + ": text"))
    assert len(let._passed_at) <= WORDINGS_MAX
