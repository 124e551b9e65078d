"""Batches of predictions: each is read, checked and judged once; verdicts, tasks, blocks and Rejects are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from agents.intake.judge import Judge
from agents.shared.metrics import INTAKE_DUPLICATES, INTAKE_EVENTS, INTAKE_REJECTS
from schemas.identities import identities, model_salt
from schemas.topics import REJECTS
from streams.consume.seen_events import SeenEvents
from streams.predictions.parts import Part, rounds
from streams.predictions.prediction_reader import BYTES_AT_ONCE, MESSAGES_AT_ONCE, PredictionReader
from streams.produce.outbox import Sending
from streams.records import Record, by_partition, split_by_bytes

__all__ = ["PredictionHandler"]

BYTES_TOGETHER: Final = 2 * 1024 * 1024
"""Bytes of messages judged together: so many that the fixed work of a model counts little, so few that their values are
still in the processor's cache."""


class PredictionHandler:
    """Reads messages, and has their predictions judged. One object a worker; one thread calls ``handle``.

    ``seen`` remembers which predictions were judged. A batch has about ``elements_max`` elements at most, whatever its
    messages hold; the rest is left for the next batch. In that one the partition that used the batch up comes last, so
    that one producer's messages do not hold up all verdicts. ``clock`` gives seconds since 1970.
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
        """Partitions that used up a batch, the newest at the end."""

    def handle(self, records: Sequence[Record], outbox: Sending) -> Sequence[Record]:
        """One batch, for one transaction: read and judge some messages at a time; returns what is left."""
        self._judge.states.begin()
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
        self._judge.states.save(outbox)
        if self._waits:
            behind = {record.partition() for record in left}
            for partition in self._waits.keys() & {record.partition() for record in records} - behind:
                del self._waits[partition]
        return left

    def _handle(self, runs: Sequence[Sequence[Record]], room: int, now_ms: int, outbox: Sending) -> tuple[int, int]:
        """Handle some runs of messages; returns how many of the runs were read, and the elements in them."""
        readings = self._reader.read(runs, now_ms=now_ms, elements_max=room)
        runs = runs[: readings.runs]
        taken_ms = max(run[-1].timestamp()[1] for run in runs)
        for parts in rounds(readings.parts):
            fresh = self._fresh(parts, taken_ms)
            if fresh:
                self._judge.judge(fresh, now_ms, outbox)
        for reject in readings.rejects:
            outbox.send(REJECTS, reject.source_key, reject)
        INTAKE_REJECTS.inc(sum(reject.elements for reject in readings.rejects))
        return readings.runs, readings.elements

    def committed(self) -> None:
        """The oldest batch is committed, and is never undone."""
        self._judge.states.committed()
        if self._seen is not None:
            self._seen.committed()

    def undo(self) -> None:
        """Take back what the batches that are not committed changed: a transaction was aborted."""
        self._judge.states.undo()
        if self._seen is not None:
            self._seen.undo()

    def _fresh(self, parts: Sequence[Part], taken_ms: int) -> list[Part]:
        """The predictions that were not judged before: a producer's retry gets no second verdict."""
        fresh_parts = list(parts)
        if self._seen is not None and parts:
            fresh = self._seen.first_seen(np.concatenate(list(map(_identities, parts))), taken_ms)
            if fresh is not None:
                INTAKE_DUPLICATES.inc(int(np.count_nonzero(~fresh)))
                bounds = np.cumsum([len(part.columns) for part in parts])[:-1]
                taken = zip(parts, map(np.flatnonzero, np.split(fresh, bounds)), strict=True)
                fresh_parts = [part.take(indexes) for part, indexes in taken if len(indexes)]
        INTAKE_EVENTS.inc(sum(len(part.columns) for part in fresh_parts))
        return fresh_parts


def _identities(part: Part) -> npt.NDArray[np.uint64]:
    columns = part.columns
    salts = np.array(list(map(model_salt, columns.models)), np.uint64)
    return identities(columns.event_ids.either, salts.repeat(np.diff(columns.bounds)))


def _together(records: Sequence[Record], waits: Iterable[int]) -> Iterator[Sequence[Sequence[Record]]]:
    """Runs to be judged together, of at least ``BYTES_TOGETHER`` except the last; partitions of ``waits`` come last."""
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
    """Messages partition by partition, in order, in runs as they are read at once, each with its bytes."""
    turn_of = {partition: number for number, partition in enumerate(waits)}
    for messages in sorted(by_partition(records), key=lambda some: turn_of.get(some[0].partition(), -1)):
        for start in range(0, len(messages), MESSAGES_AT_ONCE):
            yield from split_by_bytes(messages[start : start + MESSAGES_AT_ONCE], BYTES_AT_ONCE)
