"""WindowBuilder: takes blocks as they arrive, returns windows in the order of event time."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from cachetools import FIFOCache

from drift.settings import DriftSettings
from drift.windows.window import Window, merge_all
from schemas.columns.block_rows import AnyBlock

__all__ = ["WindowBuilder"]

Key = tuple[int, int, int, str]


@dataclass(slots=True)
class _Frontier:
    """How far one partition has come."""

    time: int
    heard_at: int


class WindowBuilder:
    """Orders blocks by (time_max, partition, first_offset), fills them into windows of at least ``events_min`` events.

    A fixed delay cannot serve both a live stream and a replay: event time may run a hundred thousand times faster than
    the clock, and a backlog is read partition by partition. So the watermark is what stream processors use (Akidau et
    al. 2015): each partition of a log arrives in its own order, therefore everything before the *slowest* partition's
    newest time (less ``lateness_seconds`` for disorder inside a partition) is complete. A partition that falls silent
    would hold everything up, so it is passed over once ``lateness_events`` events of others have arrived since its last
    block, or since the beginning if it has sent none yet (``partitions`` is the number of partitions). Nothing is
    released before ``reference_events`` events have arrived in all (``lateness_events``, if that is less). No clock is
    read: as long as no partition lags by more than ``lateness_events`` events, the windows are the same whatever the
    order of arrival.

    At the limits: a block older than what has been released is counted in ``late_blocks`` and ``late_events`` and left
    out; a block that was seen before is left out without a count (ids of the ``open_blocks_max`` newest are remembered,
    older ones count as late); beyond ``open_blocks_max`` waiting blocks the oldest are released early
    (``forced_blocks``). Where more than ``lateness_events`` events in a row are late, time itself has jumped
    back (a clock was put right, a recording is played again): what waits from before the jump is released, and the
    builder starts over with the late events, which no longer count as late (``time_resets``; at most the
    ``open_blocks_max`` newest of their blocks are kept).
    """

    def __init__(self, events_min: int, settings: DriftSettings, *, partitions: int = 1) -> None:
        self._events_min = events_min
        self._partitions = partitions
        self._heard: set[int] = set()
        self._settings = settings
        self._waiting: list[tuple[Key, AnyBlock]] = []
        self._ids: FIFOCache[str, None] = FIFOCache(settings.open_blocks_max + 1)
        self._frontiers: dict[int, _Frontier] = {}
        self._arrived_events = 0
        self._released_time = -1
        self._filling: list[AnyBlock] = []
        self._filling_events = 0
        self.late_blocks = 0
        self.late_events = 0
        self.forced_blocks = 0
        self.time_resets = 0
        self._late_run: FIFOCache[str, AnyBlock] = FIFOCache(settings.open_blocks_max)
        self._late_run_events = 0

    def add(self, block: AnyBlock) -> list[Window]:
        """Windows that this block closes, oldest first."""
        if block.block_id in self._ids or block.block_id in self._late_run:
            return []
        self._arrived_events += block.events
        self._advance(block)
        windows: list[Window] = []
        if block.time_max >= self._released_time:
            self._forget_late_run()
            self._wait(block)
        elif not self._leave_out(block):
            windows = self._start_over()
        return windows + [window for released in self._release() for window in self._fill(released)]

    def flush(self) -> list[Window]:
        """Windows of everything that still waits; the last may be short. For the end of a recorded stream."""
        windows = self._drain()
        if self._filling:
            windows.append(self._close())
        return windows

    def _advance(self, block: AnyBlock) -> None:
        self._heard.add(block.partition)
        self._frontiers[block.partition] = _Frontier(block.time_max, self._arrived_events)
        silent_since = self._arrived_events - max(self._settings.lateness_events, 1)
        if len(self._frontiers) > 1:
            self._frontiers = {
                partition: known for partition, known in self._frontiers.items() if known.heard_at > silent_since
            } or {block.partition: self._frontiers[block.partition]}

    def _leave_out(self, block: AnyBlock) -> bool:
        """Count a late block; return False if so many came in a row that time has jumped back."""
        self.late_blocks += 1
        self.late_events += block.events
        self._late_run[block.block_id] = block
        self._late_run_events += block.events
        return self._late_run_events <= self._settings.lateness_events

    def _start_over(self) -> list[Window]:
        """Windows of the blocks from before the jump back; those that came since then wait now."""
        self.time_resets += 1
        windows = self._drain()
        self._released_time = -1
        for block in self._late_run.values():
            self.late_blocks -= 1
            self.late_events -= block.events
            self._wait(block)
        self._forget_late_run()
        return windows

    def _forget_late_run(self) -> None:
        self._late_run.clear()
        self._late_run_events = 0

    def _drain(self) -> list[Window]:
        waiting, self._waiting = self._waiting, []
        return [window for _, block in waiting for window in self._fill(self._mark(block))]

    def _wait(self, block: AnyBlock) -> None:
        self._ids[block.block_id] = None
        key = (block.time_max, block.partition, block.first_offset, block.block_id)
        bisect.insort(self._waiting, (key, block), key=itemgetter(0))

    def _release(self) -> Iterator[AnyBlock]:
        watermark = self._watermark()
        done = 0
        while done < len(self._waiting):
            key, block = self._waiting[done]
            forced = len(self._waiting) - done > self._settings.open_blocks_max
            if key[0] >= watermark and not forced:
                break
            self.forced_blocks += key[0] >= watermark
            done += 1
            yield self._mark(block)
        del self._waiting[:done]

    def _watermark(self) -> float:
        lateness = self._settings.lateness_events
        if self._arrived_events < min(lateness, self._settings.reference_events):
            return -1.0
        if len(self._heard) < self._partitions and self._arrived_events <= lateness:
            return -1.0
        slowest = min(frontier.time for frontier in self._frontiers.values())
        return slowest - self._settings.lateness_seconds * 1000.0

    def _mark(self, block: AnyBlock) -> AnyBlock:
        self._released_time = max(self._released_time, block.time_max)
        return block

    def _fill(self, block: AnyBlock) -> Iterator[Window]:
        self._filling.append(block)
        self._filling_events += block.events
        if self._filling_events >= self._events_min:
            yield self._close()

    def _close(self) -> Window:
        window = merge_all(self._filling)
        self._filling = []
        self._filling_events = 0
        return window
