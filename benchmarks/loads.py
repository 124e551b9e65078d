"""Load: a topic full of predictions, in one of the encodings that producers use."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
from confluent_kafka import Producer

from benchmarks.common import FEATURES, predictions_of, reference_of
from drift.settings import DriftSettings
from schemas.codec import encode
from schemas.topics import PREDICTIONS, REFERENCES
from streams.produce.outbox import produce_patiently, producer_config
from streams.settings import KafkaSettings

__all__ = ["EVENTS_PER_MESSAGE", "Load", "Stock", "fill", "publish_references", "stock_of"]

EVENTS_PER_MESSAGE: Final = 200
EVENTS_MADE_MAX: Final = 20_000
"""Events that differ; a larger load holds them again under other ids."""
REFERENCE_EVENTS: Final = 2_000
FLUSH_SECONDS_MAX: Final = 120.0
TRANSACTION_SECONDS_MAX: Final = 300
ARROW_HEADERS: Final[list[tuple[str, str | bytes | None]]] = [("content-type", b"application/vnd.apache.arrow.stream")]
PLACE_OF_CYCLE: Final = slice(len(b'{"event_id":"'), len(b'{"event_id":"0000'))


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """How many events, in what encoding, on how many partitions, of how many models with how many features.

    ``per_message`` is the number of events in each array or Arrow stream.
    """

    events: int
    encoding: Literal["single", "arrays", "arrow"] = "single"
    partitions: int = 4
    features: int = len(FEATURES)
    models: int = 1
    per_message: int = EVENTS_PER_MESSAGE

    @property
    def events_per_message(self) -> int:
        """Events in each message: one, or ``per_message`` in an array or an Arrow stream."""
        return 1 if self.encoding == "single" else self.per_message

    @property
    def title(self) -> str:
        """What a table calls it."""
        if self.encoding == "single":
            return "single JSON events"
        return f"{'JSON arrays' if self.encoding == 'arrays' else 'Arrow IPC messages'} of {self.per_message}"

    def values(self, begin: int = 0) -> Iterator[bytes]:
        """Each message's value, of the events from number ``begin`` on."""
        stock, end = stock_of(self.features, self.models), begin + self.events
        while begin < end:
            cycle, start = divmod(begin, EVENTS_MADE_MAX)
            count = min(EVENTS_MADE_MAX - start, end - begin)
            yield from stock.values(self.encoding, cycle, start, start + count, self.per_message)
            begin += count


class Stock:
    """The events that loads are made of; ``cycle`` makes their ids others."""

    def __init__(self, features: int, models: int) -> None:
        self.events = predictions_of(EVENTS_MADE_MAX, features=features, models=models)
        self.past = predictions_of(REFERENCE_EVENTS, seed=0xFFFF, features=features)
        self.models = sorted({event.model for event in self.events})
        self.json = list(map(msgspec.json.encode, self.events))

    def values(self, encoding: str, cycle: int, start: int, stop: int, per_message: int) -> Iterator[bytes]:
        """The events from ``start`` to ``stop``, as messages."""
        if encoding == "arrow":
            table = self._arrow.slice(start, stop - start)
            ids = [f"{cycle:04x}{event.event_id[4:]}" for event in self.events[start:stop]]
            table = table.set_column(0, "event_id", pa.array(ids))
            for first in range(0, stop - start, per_message):
                yield arrow_stream(table.slice(first, per_message))
            return
        mark, (head, tail) = b"%04x" % cycle, (PLACE_OF_CYCLE.start, PLACE_OF_CYCLE.stop)
        marked = (value[:head] + mark + value[tail:] for value in self.json[start:stop])
        if encoding == "single":
            yield from marked
            return
        values = list(marked)
        for first in range(0, len(values), per_message):
            yield b"[" + b",".join(values[first : first + per_message]) + b"]"

    @functools.cached_property
    def _arrow(self) -> Any:
        """All of them as a table: the columns that each event has, features as a struct."""
        columns = ("event_id", "model", "model_version", "time", "prediction", "confidence", "features")
        return pa.table({name: pa.array([getattr(event, name) for event in self.events]) for name in columns})


@functools.lru_cache(maxsize=1)
def stock_of(features: int = len(FEATURES), models: int = 1) -> Stock:
    """Made once for loads of the same kind that follow each other."""
    return Stock(features, models)


def arrow_stream(table: Any) -> bytes:
    """A table as an Arrow IPC stream of one record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())


def fill(kafka: KafkaSettings, load: Load, *, begin: int = 0, at_once: bool = False) -> None:
    """Produce the events from number ``begin`` on, a partition after the other; ``at_once``: readable all together."""
    config = {**producer_config(kafka), "linger.ms": 50}
    if at_once:
        config |= {"transactional.id": f"{kafka.prefix}fill", "transaction.timeout.ms": TRANSACTION_SECONDS_MAX * 1000}
    producer = Producer(config)
    if at_once:
        producer.init_transactions(FLUSH_SECONDS_MAX)
        producer.begin_transaction()
    topic, headers = kafka.prefix + PREDICTIONS.name, ARROW_HEADERS if load.encoding == "arrow" else None
    for number, value in enumerate(load.values(begin)):
        _produce(producer, topic, value, b"%d" % number, number % kafka.partitions, headers)
    if at_once:
        producer.commit_transaction(FLUSH_SECONDS_MAX)
    elif producer.flush(FLUSH_SECONDS_MAX):
        raise SystemExit(f"not all events were produced within {FLUSH_SECONDS_MAX:g} s")


def _produce(
    producer: Producer,
    topic: str,
    value: bytes,
    key: bytes,
    partition: int,
    headers: list[tuple[str, str | bytes | None]] | None,
) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition=partition, headers=headers)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def publish_references(kafka: KafkaSettings, load: Load) -> None:
    """What counts as normal, for each model of the load: where INTAKE looks for it."""
    stock = stock_of(load.features, load.models)
    reference = reference_of(stock.past, DriftSettings())
    producer = Producer(producer_config(kafka))
    for model in stock.models:
        value = encode(msgspec.structs.replace(reference, model=model))
        produce_patiently(producer, kafka.prefix + REFERENCES.name, value, model)
    if producer.flush(FLUSH_SECONDS_MAX):
        raise SystemExit("the references were not produced")
