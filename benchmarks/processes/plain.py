"""The floors: a process that consumes and decodes, and does nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer

from agents.shared.memory import settle_memory
from benchmarks.processes.meter import Meter, say, spec_of
from schemas.codec import decoder_of, decoder_of_many
from schemas.topics import PREDICTIONS
from schemas.wire.prediction import Prediction
from streams.consume.batches import BatchSettings, consumer_config
from streams.settings import KafkaSettings

EVENTS_PER_BATCH = 10_000


def decoder(name: str) -> Callable[[bytes], object] | None:
    """How a message is decoded; None for not at all."""
    if name == "nothing":
        return None
    if name == "arrow":
        return lambda data: pa.ipc.open_stream(data).read_all()
    return decoder_of(Prediction).decode if name == "single" else decoder_of_many(Prediction).decode


def main(spec: dict[str, Any]) -> None:
    """Read ``expected`` events of the topic from its beginning."""
    kafka = KafkaSettings(**spec["kafka"])
    # It may wait for full batches, which costs it nothing: the topic is full before it starts.
    batch = BatchSettings(events_max=max(1, EVENTS_PER_BATCH // spec["events_per_message"]))
    consumer = Consumer(consumer_config(kafka, f"plain-{spec['decode']}", batch))
    decode = decoder(spec["decode"])
    meter = Meter(spec["expected"], spec["warm_up"])
    deadline = time.monotonic() + spec["seconds_max"]
    settle_memory()
    consumer.subscribe(
        [kafka.prefix + PREDICTIONS.name],
        on_assign=lambda _consumer, partitions: say("assigned", partitions=len(partitions)),
    )
    while not meter.complete and time.monotonic() < deadline:
        messages = consumer.consume(batch.events_max, batch.wait_seconds)
        if messages:
            meter.mark(len(messages) * spec["events_per_message"])
        if decode is not None:
            for message in messages:
                decode(message.value())  # type: ignore[arg-type]
    say("result", **meter.result())
    consumer.close()


if __name__ == "__main__":
    main(spec_of(sys.argv))
