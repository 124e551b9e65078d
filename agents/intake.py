"""predictions → verdicts, tasks, blocks and rejects: one verdict for every prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from agents.judge import Judge
from agents.metrics import INTAKE_DUPLICATES, INTAKE_EVENTS, INTAKE_REJECTS
from schemas.reject import Reject
from schemas.topics import REJECTS
from streams.duplicates import SeenEvents, identities
from streams.outbox import Sending
from streams.predictions.inbox import original_of
from streams.predictions.prediction_reader import BYTES_AT_ONCE, MESSAGES_AT_ONCE, Part, PredictionReader
from streams.records import Record, by_partition, stretches
from streams.rejects import reject_of

__all__ = ["Intake"]

BYTES_TOGETHER: Final = 2 * 1024 * 1024
"""Messages judged together: enough that the fixed work of a model is little, few enough that what they hold is still in
the processor's cache."""


class Intake:
    """Reads, checks, and has each model's events judged. One object a worker; ``handle`` is called by one thread.

    ``seen`` remembers what was judged. A model beyond ``models_max`` is not judged: its predictions are rejected.
    """

    def __init__(
        self,
        reader: PredictionReader,
        judge: Judge,
        *,
        prefix: str,
        models_max: int,
        seen: SeenEvents | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._judge = judge
        self._prefix = prefix
        self._models_max = models_max
        self._seen = seen
        self._clock = clock

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, for one transaction: read some messages at a time, judged model by model."""
        self._judge.begin()
        if self._seen is not None:
            self._seen.begin()
        now_ms = int(self._clock() * 1000)
        for runs in _together(records):
            self._handle(runs, now_ms, outbox)

    def _handle(self, runs: Sequence[Sequence[Record]], now_ms: int, outbox: Sending) -> None:
        taken_ms = max(run[-1].timestamp()[1] for run in runs)
        parts, rejects = self._read(runs, now_ms)
        for model, found in parts.items():
            part = Part.joined(found)
            if self._judge.knows(model) or len(self._judge) < self._models_max:
                self._judge_fresh(part, now_ms, taken_ms, outbox)
            else:
                rejects += self._refused(runs, part, now_ms)
        for reject in rejects:
            outbox.send(REJECTS, reject.source_key, reject)
        INTAKE_REJECTS.inc(len(rejects))

    def _read(self, runs: Sequence[Sequence[Record]], now_ms: int) -> tuple[dict[str, list[Part]], list[Reject]]:
        """The events of each model, and what could not be read."""
        readings = self._reader.read(runs, now_ms=now_ms)
        parts: dict[str, list[Part]] = {}
        for part in readings.parts:
            parts.setdefault(part.columns.model, []).append(part)
        return parts, list(readings.rejects)

    def committed(self) -> None:
        """The oldest batch handled is committed; only later ones may have to be undone."""
        self._judge.committed()
        if self._seen is not None:
            self._seen.committed()

    def undo(self) -> None:
        """Forget what the batches that are not committed did: a transaction was aborted."""
        self._judge.undo()
        if self._seen is not None:
            self._seen.undo()

    def _judge_fresh(self, part: Part, now_ms: int, taken_ms: int, outbox: Sending) -> None:
        """Judge what was not judged before: a producer's retry gets no second verdict."""
        if self._seen is not None:
            fresh = self._seen.first_seen(identities(part.columns.model, part.columns.event_ids), taken_ms)
            if fresh is not None:
                INTAKE_DUPLICATES.inc(int(np.count_nonzero(~fresh)))
                part = part.take(np.flatnonzero(fresh))
        if len(part.columns):
            self._judge.judge(part, now_ms, outbox)
        INTAKE_EVENTS.inc(len(part.columns))

    def _refused(self, runs: Sequence[Sequence[Record]], part: Part, now_ms: int) -> Iterator[Reject]:
        """Rejects of the predictions of a model too many."""
        by_place = {(record.partition(), record.offset()): record for run in runs for record in run}
        reason = (
            f"{self._models_max} models are watched already (worker.models_max); this worker takes no new one"
            " - at `$.model`"
        )
        for *place, index in zip(part.partitions.tolist(), part.offsets.tolist(), part.indexes.tolist(), strict=True):
            record = by_place[tuple(place)]
            yield reject_of(
                record,
                self._prefix,
                role="intake",
                reason=reason,
                field="$.model",
                now_ms=now_ms,
                original=original_of(record, index),
                index=index,
            )


def _together(records: Sequence[Record]) -> Iterator[Sequence[Sequence[Record]]]:
    """Runs to be judged together, of about ``BYTES_TOGETHER`` at least but for the last."""
    found: list[Sequence[Record]] = []
    held = 0
    for run, size in _runs(records):
        found.append(run)
        held += size
        if held >= BYTES_TOGETHER:
            yield found
            found, held = [], 0
    if found:
        yield found


def _runs(records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], int]]:
    """The messages partition by partition, in order, as many at once as are read at once, and their bytes."""
    for found in by_partition(records):
        for start in range(0, len(found), MESSAGES_AT_ONCE):
            yield from stretches(found[start : start + MESSAGES_AT_ONCE], BYTES_AT_ONCE)
