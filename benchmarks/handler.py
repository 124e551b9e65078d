"""What INTAKE's handler costs an event, without Kafka: ``python -m benchmarks.handler [LOAD …]``.

Processor time of one thread, batches as the worker takes them; bytes that leave for each event. To compare two commits,
run it in a checkout of each in turn, several times: machines are shared, and only ratios count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from agents.intake.judge import Judge, JudgeSettings
from agents.intake.prediction_handler import PredictionHandler
from benchmarks.common import machine, reference_of, table
from benchmarks.loads import ARROW_HEADERS, Load, Stock, stock_of
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from schemas.codec import encode
from schemas.topics import Topic
from streams.consume.seen_events import SeenEvents
from streams.predictions.prediction_reader import PredictionReader
from streams.produce.outbox import Value
from streams.records import Headers

BATCH_EVENTS: Final = 20_000
LONE_BATCH_EVENTS: Final = 140
"""As many as a worker finds waiting at 20,000 single events a second."""
PARTITIONS: Final = 4
SPAN_SECONDS: Final = 600.0
MEMORY_MB: Final = 64
WARM_UP_SHARE: Final = 0.25
FUTURE_MS_MAX: Final = 86_400_000


class Case(NamedTuple):
    """A load, the review budget, whether producers hear of exceptions only, and the events of a batch."""

    load: Load
    budget: float = 0.1
    exceptions: bool = False
    batch: int = BATCH_EVENTS


def cases(events: int) -> dict[str, Case]:
    """What can be measured, by name."""
    single, arrays = Load(events), Load(events, "arrays")
    arrow = Load(events, "arrow")
    return {
        "arrow": Case(arrow),
        "arrow-2000": Case(Load(events, "arrow", per_message=2_000)),
        "arrow-2000-rare": Case(Load(events, "arrow", per_message=2_000), budget=0.01),
        "arrow-50-models": Case(Load(events, "arrow", models=50)),
        "arrow-exceptions": Case(arrow, exceptions=True),
        "single": Case(single),
        "single-exceptions": Case(single, exceptions=True),
        "single-50-models": Case(Load(events, models=50)),
        "single-small-batches": Case(Load(events // 4), batch=LONE_BATCH_EVENTS),
        "arrays": Case(arrays),
        "arrays-exceptions": Case(arrays, exceptions=True),
    }


class _Message:
    """A message in memory, with the methods of confluent-kafka's Message that INTAKE calls."""

    __slots__ = ("_headers", "_number", "_time_ms", "_value")

    def __init__(self, value: bytes, number: int, headers: Headers | None, time_ms: int) -> None:
        self._value, self._number, self._headers, self._time_ms = value, number, headers, time_ms

    def __len__(self) -> int:
        return len(self._value)

    def value(self) -> bytes:
        return self._value

    def key(self) -> bytes:
        return b"key"

    def topic(self) -> str:
        return "watchloop.predictions"

    def partition(self) -> int:
        return self._number % PARTITIONS

    def offset(self) -> int:
        return self._number // PARTITIONS

    def headers(self) -> Headers | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return (1, self._time_ms)


class CountingOutbox:
    """Encodes what is sent, and counts its bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:  # noqa: ARG002  # nobody reads it
        """Count a message."""
        data = value if value is None or isinstance(value, bytes) else encode(value)
        self.bytes += len(data or b"")


def handler_of(case: Case, stock: Stock) -> PredictionHandler:
    """INTAKE's handler as the worker assembles it; every model has a reference, none a learned model."""
    reference = reference_of(stock.past, DriftSettings())
    references = {model: msgspec.structs.replace(reference, model=model) for model in stock.models}
    triage = TriageSettings(budget=case.budget, audit_rate=min(0.02, case.budget / 5))
    settings = JudgeSettings(
        triage=lambda _model: triage,
        labels=lambda _model: (),
        drift=DriftSettings(),
        queue=QueueSettings(),
        verdicts=lambda _model: "exceptions" if case.exceptions else "all",
    )
    judge = Judge(settings, reference_of=references.get, serving_of=lambda _model: None)
    reader = PredictionReader("watchloop.", future_ms_max=FUTURE_MS_MAX)
    seen = SeenEvents(SPAN_SECONDS, MEMORY_MB)
    return PredictionHandler(reader, judge, elements_max=10 * BATCH_EVENTS, seen=seen)


def measured(case: Case) -> Iterator[tuple[float, int]]:
    """Of each batch, microseconds of processor time an event, and the bytes that left for an event."""
    load, stock = case.load, stock_of(case.load.features, case.load.models)
    now_ms, headers = int(time.time() * 1000), ARROW_HEADERS if load.encoding == "arrow" else None
    messages = [_Message(value, number, headers, now_ms) for number, value in enumerate(load.values())]
    handler, step = handler_of(case, stock), max(1, case.batch // load.events_per_message)
    for first in range(0, len(messages), step):
        some, outbox = messages[first : first + step], CountingOutbox()
        events = len(some) * load.events_per_message
        began = time.process_time()
        handler.handle(some, outbox)
        handler.committed()
        yield (time.process_time() - began) / events * 1e6, outbox.bytes // events


def row_of(name: str, case: Case) -> Sequence[str]:
    """A line of the table; the first batches, in which shapes are learned, do not count."""
    batches = list(measured(case))
    warm = batches[int(len(batches) * WARM_UP_SHARE) :]
    times = [microseconds for microseconds, _ in warm]
    return name, f"{min(times):.2f}", f"{statistics.median(times):.2f}", f"{warm[-1][1]}"


def main() -> None:
    """Measure the loads that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", metavar="LOAD", nargs="*", help=f"{', '.join(cases(0))} (without any: all)")
    parser.add_argument("--events", type=int, default=120_000, help="events of a load")
    arguments = parser.parse_args()
    known = cases(arguments.events)
    unknown = [name for name in arguments.loads if name not in known]
    if unknown:
        parser.error(f"no load {unknown[0]!r}; there are {', '.join(known)}")
    rows = [row_of(name, known[name]) for name in arguments.loads or known]
    print(machine())
    print(table(("INTAKE's handler", "least µs/event", "median", "bytes sent/event"), rows))


if __name__ == "__main__":
    main()
