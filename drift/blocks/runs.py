"""Runs: the cut of a batch into blocks, each of consecutive events of one partition."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Ints", "Runs"]

Ints = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """r runs of a batch of n events, each array of shape (r,) but ``of_events``.

    ``starts`` are indices into the batch, ``sizes`` numbers of events, the largest of them ``size_max``. ``withins``
    count the events of the batch that come before the run in the message that it starts in. ``of_events``, of shape
    (n,), is the index of each event's run.

    >>> runs = Runs.of(np.array([0, 0, 0, 1]), np.array([7, 7, 7, 3]), events_max=2)
    >>> runs.starts.tolist(), runs.sizes.tolist(), runs.withins.tolist(), runs.of_events.tolist()
    ([0, 2, 3], [2, 1, 1], [0, 2, 0], [0, 0, 1, 2])
    """

    starts: Ints
    sizes: Ints
    withins: Ints
    of_events: Ints
    size_max: int

    @classmethod
    def of(cls, partitions: Ints, offsets: Ints, events_max: int) -> Runs:
        """Runs of at most ``events_max`` events of a batch that is not empty, partition after partition."""
        count = len(offsets)
        is_other = partitions[1:] != partitions[:-1]
        bounds = [0, *(is_other.nonzero()[0] + 1).tolist(), count]
        cuts = [start for begin, end in pairwise(bounds) for start in range(begin, end, events_max)]
        edges = np.array([*cuts, count])
        starts, sizes = edges[:-1], edges[1:] - edges[:-1]
        is_first = np.ones(count, np.bool_)
        np.logical_or(is_other, offsets[1:] != offsets[:-1], out=is_first[1:])
        messages = is_first.nonzero()[0]
        within = starts - messages[messages.searchsorted(starts, side="right") - 1]
        return cls(starts, sizes, within, np.arange(len(starts)).repeat(sizes), int(np.maximum.reduce(sizes)))

    @property
    def ends(self) -> Ints:
        """The index after each run's last event."""
        return self.starts + self.sizes
