"""Replay: sends recorded rows as live predictions, at a chosen rate."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection

import msgspec

from schemas.json_text.errors import UNREADABLE
from schemas.topics import LABELS, PREDICTIONS, Topic
from schemas.wire.label import Label
from streams.consume.log_reader import LogReader
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from watchloop.recorded.replayable import Replayable

__all__ = ["Replay", "ids_sent", "send_labels"]

STEP_SECONDS = 0.05
CHUNK_ROWS_MAX = 2_000


class Replay:
    """Sends the predictions of ``source``, one in a message, ``events_per_second`` (0: as fast as Kafka takes them).

    Where the table has no times, a prediction has the time at which it is sent. Events whose ids are in ``already``
    were sent by an earlier run and are not sent again; ``sent`` counts them too.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        source: Replayable,
        *,
        events_per_second: float,
        already: Collection[str] = frozenset(),
    ) -> None:
        self._kafka = kafka
        self._source = source
        self._rate = events_per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="replay", daemon=True)
        self._already = already
        self._begin = next((n for n in range(len(source)) if source.event_id(n) not in already), len(source))
        self.sent = self._begin
        self.done = threading.Event()
        self.failure: Exception | None = None

    def start(self) -> None:
        """Start the replay in a thread of its own, which sets ``done`` at its end."""
        self._thread.start()

    def stop(self) -> None:
        """End the replay early; returns when the predictions already taken have been sent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> None:
        """Replay to the end, or until ``stop`` is called; an exception is kept in ``failure``."""
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  # the waiting thread raises it
            self.failure = error
        finally:
            self.done.set()

    def _run(self) -> None:
        outbox = Outbox(self._kafka)
        begin = time.monotonic()
        while self.sent < len(self._source) and not self._stop.is_set():
            stop = self._due(time.monotonic() - begin)
            now_ms = time.time_ns() // 1_000_000
            for prediction in self._source.predictions(self.sent, stop, now_ms=now_ms):
                if prediction.event_id not in self._already:
                    outbox.send(PREDICTIONS, prediction.event_id, prediction)
            self.sent = stop
            outbox.poll()
            if self._rate:
                self._stop.wait(STEP_SECONDS)
        outbox.flush()

    def _due(self, seconds: float) -> int:
        wanted = self._begin + int(seconds * self._rate) if self._rate else self.sent + CHUNK_ROWS_MAX
        return min(len(self._source), wanted, self.sent + CHUNK_ROWS_MAX)


class _About(msgspec.Struct):
    event_id: str
    model: str


def ids_sent(kafka: KafkaSettings, topic: Topic, model: str) -> set[str]:
    """The event ids of one model in a topic of predictions or labels, which must have one in each message."""
    event_ids: set[str] = set()
    decoder = msgspec.json.Decoder(_About)

    def hear(record: Record) -> None:
        with contextlib.suppress(*UNREADABLE):  # a message of another producer, which INTAKE rejects
            about = decoder.decode(record.value() or b"")
            if about.model == model:
                event_ids.add(about.event_id)

    reader = LogReader(kafka, {topic.name: hear})
    reader.catch_up()
    reader.close()
    return event_ids


def send_labels(kafka: KafkaSettings, source: Replayable, already: Collection[str] = frozenset()) -> None:
    """Send the true labels of all rows whose ids are not in ``already``, for scoring only: nothing learns from them."""
    outbox = Outbox(kafka)
    now_ms = time.time_ns() // 1_000_000
    for row, truth in enumerate(source.truths):
        event_id = source.event_id(row)
        if event_id in already:
            continue
        label = Label(event_id=event_id, model=source.model, label=truth, time=now_ms, purpose="score", source="replay")
        outbox.send(LABELS, event_id, label)
    outbox.flush()
