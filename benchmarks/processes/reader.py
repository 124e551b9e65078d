"""A reader of committed verdicts: how long after its event was sent each of them could be read."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from agents.shared.memory import settle_memory
from benchmarks.processes.meter import say, spec_of
from schemas.topics import VERDICTS
from streams.consume.batches import BatchSettings, consumer_config
from streams.settings import KafkaSettings

SENT_AT_US = re.compile(rb'"event_id":"(\d{16})-')
POLL_SECONDS = 0.5


def main(spec: dict[str, Any]) -> None:
    """Read until events sent ``warm_up_seconds`` + ``seconds`` after the first come, or nothing more does."""
    kafka = KafkaSettings(**spec["kafka"])
    consumer = Consumer(consumer_config(kafka, "reader", BatchSettings()))
    consumer.assign(
        [TopicPartition(kafka.prefix + VERDICTS.name, number, OFFSET_BEGINNING) for number in range(kafka.partitions)]
    )
    settle_memory()
    consumer.poll(POLL_SECONDS)
    say("ready")
    sent, waited = [], []
    begin_us = end_us = 0
    deadline = time.monotonic() + spec["seconds_max"]
    while time.monotonic() < deadline:
        message = consumer.poll(POLL_SECONDS)
        now_us = time.monotonic_ns() // 1000
        if message is None or message.error() is not None:
            continue
        at_us = np.array(SENT_AT_US.findall(message.value() or b""), np.int64)
        if not begin_us:
            begin_us = int(at_us.min() + spec["warm_up_seconds"] * 1e6)
            end_us = int(begin_us + spec["seconds"] * 1e6)
        sent.append(at_us)
        waited.append(now_us - at_us)
        # One partition may be ahead of another by a transaction.
        if at_us.min() > end_us + spec["slack_seconds"] * 1e6:
            break
    at_us, waits_us = np.concatenate(sent), np.concatenate(waited)
    counted = waits_us[(at_us >= begin_us) & (at_us < end_us)]
    p50, p99 = np.percentile(counted, (50, 99)) / 1000
    say("result", events=len(counted), rate=len(counted) / spec["seconds"], p50_ms=p50, p99_ms=p99)


if __name__ == "__main__":
    main(spec_of(sys.argv))
