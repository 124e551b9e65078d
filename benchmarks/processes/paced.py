"""A producer that sends single events at a steady rate; each event's id says when it was sent."""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
from confluent_kafka import Producer

from agents.shared.memory import settle_memory
from benchmarks.common import predictions_of
from benchmarks.processes.meter import say, spec_of
from schemas.topics import PREDICTIONS
from streams.produce.outbox import producer_config
from streams.settings import KafkaSettings

EVENTS_MADE = 20_000
ID = b'"event_id":"'
TURN_SECONDS = 0.001


def main(spec: dict[str, Any]) -> None:
    """Send for so many seconds, a partition after the other."""
    kafka = KafkaSettings(**spec["kafka"])
    topic, partitions, rate = kafka.prefix + PREDICTIONS.name, kafka.partitions, spec["rate"]
    tails = [value[value.index(b'","', len(ID)) :] for value in map(msgspec.json.encode, predictions_of(EVENTS_MADE))]
    producer = Producer(producer_config(kafka))
    settle_memory()
    produce, clock = producer.produce, time.monotonic_ns
    sent, begin = 0, time.monotonic()
    say("begins")
    while (elapsed := time.monotonic() - begin) < spec["seconds"]:
        for number in range(sent, int(elapsed * rate)):
            event_id = b"%016d-%09d" % (clock() // 1000, number)
            produce(topic, b"{" + ID + event_id + tails[number % EVENTS_MADE], event_id, partition=number % partitions)
            sent = number + 1
        producer.poll(0)
        time.sleep(TURN_SECONDS)
    say("sent", rate=sent / elapsed, undelivered=producer.flush(10))


if __name__ == "__main__":
    main(spec_of(sys.argv))
