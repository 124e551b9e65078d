"""Replay: recorded rows as live predictions, at a chosen rate."""

from __future__ import annotations

import threading
import time

from schemas.label import Label
from schemas.topics import LABELS, PREDICTIONS
from streams.outbox import Outbox
from streams.settings import KafkaSettings
from watchloop.frozen import Replayable

__all__ = ["Replay", "send_labels"]

STEP_SECONDS = 0.05
CHUNK_ROWS_MAX = 2_000


class Replay:
    """Sends a replayable's predictions, one message each, ``events_per_second`` of them (0: as fast as Kafka takes)."""

    def __init__(self, kafka: KafkaSettings, source: Replayable, *, events_per_second: float) -> None:
        self._kafka = kafka
        self._source = source
        self._rate = events_per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="replay", daemon=True)
        self.sent = 0
        self.done = threading.Event()
        self.failure: Exception | None = None

    def start(self) -> None:
        """Replay in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End early."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> None:
        """Replay until the end, or until stopped; what goes wrong is kept in ``failure``."""
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  # handed on to whoever waits for the replay
            self.failure = error
        finally:
            self.done.set()

    def _run(self) -> None:
        outbox = Outbox(self._kafka)
        begin = time.monotonic()
        while self.sent < len(self._source) and not self._stop.is_set():
            stop = self._due(time.monotonic() - begin)
            for prediction in self._source.predictions(self.sent, stop):
                outbox.send(PREDICTIONS, prediction.event_id, prediction)
            self.sent = stop
            outbox.poll()
            if self._rate:
                self._stop.wait(STEP_SECONDS)
        outbox.flush()

    def _due(self, seconds: float) -> int:
        wanted = int(seconds * self._rate) if self._rate else self.sent + CHUNK_ROWS_MAX
        return min(len(self._source), wanted, self.sent + CHUNK_ROWS_MAX)


def send_labels(kafka: KafkaSettings, source: Replayable) -> None:
    """The true labels of all replayed rows, for scoring only: the loop never learns from them."""
    outbox = Outbox(kafka)
    now_ms = time.time_ns() // 1_000_000
    for place, truth in enumerate(source.truths):
        event_id = f"{source.model}-{source.first + place}"
        label = Label(event_id=event_id, model=source.model, label=truth, time=now_ms, purpose="score", source="replay")
        outbox.send(LABELS, event_id, label)
    outbox.flush()
