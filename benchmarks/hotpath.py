"""How fast INTAKE is, as a ratio to a loop that only consumes and decodes: ``python -m benchmarks.hotpath``.

One embedded Kafka, the same events, the same process, the peers in alternating order, the median of ``--runs``. A rate
counts from the first batch in hand to the last; CPU is that of the whole process, the Kafka client's threads included.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog
from confluent_kafka import Consumer, Producer

from agents.intake import Intake, IntakeSettings
from agents.memory import settle_memory
from benchmarks.common import bytes_of, machine, predictions_of, reference_of, serving_of, table
from drift.settings import DriftSettings
from learning.serving import ServingModel
from learning.settings import LearnSettings
from review.settings import QueueSettings, TriageSettings
from schemas.codec import decoder_of, decoder_of_many
from schemas.prediction import Prediction
from schemas.reference import Reference
from schemas.topics import PREDICTIONS
from streams.admin import create_topics
from streams.batches import BatchSettings, consumer_config
from streams.embedded import EmbeddedKafka
from streams.outbox import Sending, producer_config
from streams.records import Record
from streams.settings import EmbeddedKafkaSettings, KafkaSettings
from streams.transactions import TransactionalBatches

PARTITIONS = 4
EVENTS_PER_ARRAY = 200
ARRAYS_PER_BATCH = 50
REFERENCE_EVENTS = 2_000
CORRECTIONS = 1_500
SECONDS_MAX = 300.0
DAY = 86_400
MEMBERS_LINEAR = ("production", "recalibrated", "logistic")

_groups = itertools.count(1)


@dataclasses.dataclass(slots=True)
class Meter:
    """Marks a point in time at every batch in hand: the first one begins the measurement, the last one ends it."""

    expected: int
    seen: int = 0
    marks: list[tuple[float, float, int]] = dataclasses.field(default_factory=list)

    def mark(self, events: int) -> None:
        """A batch of ``events`` events is in hand."""
        self.marks.append((time.perf_counter(), time.process_time(), self.seen))
        self.seen += events

    @property
    def complete(self) -> bool:
        """Everything has been in hand."""
        return self.seen >= self.expected

    def result(self) -> Result:
        """Of the whole batches between the first mark and the last."""
        (wall, cpu, before), (wall_end, cpu_end, after) = self.marks[0], self.marks[-1]
        events = after - before
        return Result(events / (wall_end - wall), (cpu_end - cpu) / events * 1e6)


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """Events a second, and microseconds of CPU an event."""

    rate: float
    cpu_us: float


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """A topic full of predictions: how many events, and how many a message holds."""

    name: str
    kafka: KafkaSettings
    events: int
    events_per_message: int


def fill(load: Load, events: Sequence[Prediction]) -> None:
    """Create the topics and produce the events, partition by partition in turn."""
    create_topics(load.kafka)
    producer = Producer({**producer_config(load.kafka), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    step = load.events_per_message
    topic = load.kafka.prefix + PREDICTIONS.name
    for number, start in enumerate(range(0, len(events), step)):
        part = events[start : start + step]
        value = msgspec.json.encode(part[0] if step == 1 else part)
        producer.produce(topic, value, part[0].event_id, partition=number % PARTITIONS)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit("not all events were produced within a minute")


def run_plain(load: Load, *, decoding: bool = True) -> Result:
    """The floor: consume and decode, nothing else."""
    batch = batch_settings(load)
    consumer = Consumer(consumer_config(load.kafka, f"plain{next(_groups)}", batch))
    one, many = decoder_of(Prediction).decode, decoder_of_many(Prediction).decode
    meter = Meter(load.events)
    deadline = time.monotonic() + SECONDS_MAX
    consumer.subscribe([load.kafka.prefix + PREDICTIONS.name])
    while not meter.complete and time.monotonic() < deadline:
        messages = consumer.consume(batch.events_max, batch.wait_seconds)
        if messages:
            meter.mark(len(messages) * load.events_per_message)
        if decoding:
            decode = one if load.events_per_message == 1 else many
            for message in messages:
                decode(message.value())
    consumer.close()
    return meter.result()


def run_intake(load: Load, reference: Reference, serving: ServingModel | None) -> Result:
    """The whole of INTAKE: decode, check, triage, verdicts, tasks, blocks, one transaction a batch."""
    number = next(_groups)
    intake = Intake(
        IntakeSettings(
            prefix=load.kafka.prefix,
            triage=lambda _model: TriageSettings(),
            labels=lambda _model: (),
            drift=DriftSettings(),
            queue=QueueSettings(),
            models_max=200,
            future_seconds_max=DAY,
        ),
        reference_of=lambda _model: reference,
        serving_of=lambda _model: serving,
    )
    meter, stop = Meter(load.events), threading.Event()

    def handle(records: Sequence[Record], outbox: Sending) -> None:
        meter.mark(len(records) * load.events_per_message)
        intake.handle(records, outbox)
        if meter.complete:
            stop.set()

    batches = TransactionalBatches(
        load.kafka,
        group=f"intake{number}",
        slot="0",
        undo=intake.undo,
        committed=intake.committed,
        topics=[PREDICTIONS],
        handle=handle,
        batch=batch_settings(load),
    )
    timer = threading.Timer(SECONDS_MAX, stop.set)
    timer.start()
    batches.run(stop)
    timer.cancel()
    return meter.result()


def batch_settings(load: Load) -> BatchSettings:
    """The program's own bounds; a batch of arrays holds about as many events as one of single events."""
    return BatchSettings() if load.events_per_message == 1 else BatchSettings(events_max=ARRAYS_PER_BATCH)


Peer = Callable[[Load], Result]


def peers(reference: Reference, models: dict[str, ServingModel]) -> dict[str, Peer]:
    """Everything that is measured, by name; the first is the floor."""
    found: dict[str, Peer] = {
        "plain decode": run_plain,
        "plain consume, nothing decoded": lambda load: run_plain(load, decoding=False),
        "watchloop INTAKE": lambda load: run_intake(load, reference, None),
    }
    for name, model in models.items():
        found[f"INTAKE, {name}"] = lambda load, model=model: run_intake(load, reference, model)  # type: ignore[misc]
    return found


def measure(load: Load, found: dict[str, Peer], runs: int) -> dict[str, list[Result]]:
    """Every peer ``runs`` times, in alternating order, after one round that warms the broker up and is not counted."""
    results: dict[str, list[Result]] = {name: [] for name in found}
    for peer in list(found.values())[:3]:
        peer(load)
    for run in range(runs):
        names = list(found) if run % 2 == 0 else list(reversed(found))
        for name in names:
            results[name].append(found[name](load))
    return results


def report(load: Load, results: dict[str, list[Result]]) -> str:
    """A table of medians, as ratios to the first."""
    rates = {name: statistics.median(result.rate for result in found) for name, found in results.items()}
    costs = {name: statistics.median(result.cpu_us for result in found) for name, found in results.items()}
    floor = next(iter(results))
    rows = [
        (name, f"{rates[name]:,.0f}", f"{rates[name] / rates[floor]:.2f}", f"{costs[name]:.2f}",
         f"{costs[name] / costs[floor]:.2f}")
        for name in results
    ]  # fmt: skip
    return table((load.name, "events/s", "of the floor", "CPU µs/event", "× the floor"), rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events of each load")
    parser.add_argument("--runs", type=int, default=3, help="runs of each peer; the median counts")
    parser.add_argument("--only", choices=("single", "arrays"), help="one load instead of both")
    parser.add_argument("--without-models", action="store_true", help="leave out the runs with a learned model")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    past = predictions_of(REFERENCE_EVENTS, seed=1)
    reference = reference_of(past, DriftSettings())
    models = {}
    if not options.without_models:
        models["logistic in charge"] = serving_of(past[:CORRECTIONS], LearnSettings(members=MEMBERS_LINEAR))
        models["stack with forests in charge"] = serving_of(past[:CORRECTIONS], LearnSettings())
    events = predictions_of(options.events)
    settle_memory()
    print(f"{machine()}; {options.events:,} events of {bytes_of(events[0])} bytes, {PARTITIONS} partitions, ", end="")
    print(f"median of {options.runs}\n", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder,
        EmbeddedKafka(Path(folder), EmbeddedKafkaSettings()) as running,
    ):
        for name, step in (("single", 1), ("arrays", EVENTS_PER_ARRAY)):
            if options.only not in (None, name):
                continue
            kafka = KafkaSettings(bootstrap=running.bootstrap, prefix=f"{name}.", partitions=PARTITIONS)
            title = "single JSON events" if step == 1 else f"JSON arrays of {step}"
            load = Load(title, kafka, len(events), step)
            fill(load, events)
            print(report(load, measure(load, peers(reference, models), options.runs)), "\n", flush=True)


if __name__ == "__main__":
    main()
