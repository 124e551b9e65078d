"""predictions → verdicts, tasks, blocks and rejects: one verdict for every prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from agents.intake.judge import Judge
from agents.shared.metrics import INTAKE_DUPLICATES, INTAKE_EVENTS, INTAKE_REJECTS
from schemas.topics import REJECTS
from streams.consume.seen_events import SeenEvents, identities
from streams.predictions.prediction_reader import BYTES_AT_ONCE, MESSAGES_AT_ONCE, Part, PredictionReader
from streams.produce.outbox import Sending
from streams.records import Record, by_partition, split_by_bytes

__all__ = ["PredictionHandler"]

BYTES_TOGETHER: Final = 2 * 1024 * 1024
"""Messages judged together: enough that the fixed work of a model is little, few enough that what they hold is still in
the processor's cache."""


class PredictionHandler:
    """Reads, checks, and has each model's events judged. One object a worker; ``handle`` is called by one thread.

    ``seen`` remembers what was judged. ``elements_max`` bounds one batch, whatever its messages hold: what is beyond is
    left for the next, and a partition that used it up waits for the others, so that nobody's messages hold up all
    verdicts.
    """

    def __init__(
        self,
        reader: PredictionReader,
        judge: Judge,
        *,
        elements_max: int,
        seen: SeenEvents | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._judge = judge
        self._elements_max = elements_max
        self._seen = seen
        self._clock = clock
        self._waits: dict[int, None] = {}
        """Partitions that used up a batch, the last one last."""

    def handle(self, records: Sequence[Record], outbox: Sending) -> Sequence[Record]:
        """One batch, for one transaction: read some messages at a time, judged model by model; returns what is left."""
        self._judge.begin()
        if self._seen is not None:
            self._seen.begin()
        now_ms = int(self._clock() * 1000)
        room, left = self._elements_max, []
        for runs in _together(records, self._waits):
            done = 0
            if room > 0:
                done, used = self._handle(runs, room, now_ms, outbox)
                room -= used
                if room <= 0:
                    partition = runs[done - 1][0].partition()
                    self._waits.pop(partition, None)
                    self._waits[partition] = None
            left += [record for run in runs[done:] for record in run]
        self._judge.save(outbox)
        if self._waits:
            behind = {record.partition() for record in left}
            for partition in self._waits.keys() & {record.partition() for record in records} - behind:
                del self._waits[partition]
        return left

    def _handle(self, runs: Sequence[Sequence[Record]], room: int, now_ms: int, outbox: Sending) -> tuple[int, int]:
        """Some runs; returns how many of them were read, and how many elements that were."""
        readings = self._reader.read(runs, now_ms=now_ms, elements_max=room)
        runs = runs[: readings.runs]
        taken_ms = max(run[-1].timestamp()[1] for run in runs)
        for parts in _by_model(readings.parts).values():
            self._judge_fresh(Part.joined(parts), now_ms, taken_ms, outbox)
        for reject in readings.rejects:
            outbox.send(REJECTS, reject.source_key, reject)
        INTAKE_REJECTS.inc(sum(reject.elements for reject in readings.rejects))
        return readings.runs, readings.elements

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


def _by_model(parts: Sequence[Part]) -> dict[str, list[Part]]:
    parts_of: dict[str, list[Part]] = {}
    for part in parts:
        parts_of.setdefault(part.columns.model, []).append(part)
    return parts_of


def _together(records: Sequence[Record], waits: Iterable[int]) -> Iterator[Sequence[Sequence[Record]]]:
    """Runs to be judged together, of about ``BYTES_TOGETHER`` at least but for the last; ``waits`` are for the end."""
    runs: list[Sequence[Record]] = []
    held = 0
    for run, size in _runs(records, waits):
        runs.append(run)
        held += size
        if held >= BYTES_TOGETHER:
            yield runs
            runs, held = [], 0
    if runs:
        yield runs


def _runs(records: Sequence[Record], waits: Iterable[int]) -> Iterator[tuple[Sequence[Record], int]]:
    """The messages partition by partition, in order, as many at once as are read at once, and their bytes."""
    turn_of = {partition: number for number, partition in enumerate(waits)}
    for messages in sorted(by_partition(records), key=lambda some: turn_of.get(some[0].partition(), -1)):
        for start in range(0, len(messages), MESSAGES_AT_ONCE):
            yield from split_by_bytes(messages[start : start + MESSAGES_AT_ONCE], BYTES_AT_ONCE)
