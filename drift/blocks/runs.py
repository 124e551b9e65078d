"""Runs: the cut of a batch into blocks, each of consecutive events of one model on one partition."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Ints", "Runs"]

Ints = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """r runs of a batch of n events of m models, model after model; arrays have the shape (r,), if no other is given.

    ``starts`` are indices into the batch, ``sizes`` numbers of events, the largest of them ``size_max``. ``withins``
    count the model's events of the batch that come before the run in the message that it starts in. ``of_events``, of
    shape (n,), is the index of each event's run, ``models``, of shape (r,), that of each run's model. The runs of model
    k are those from ``ends_of_models[k]`` to before ``ends_of_models[k + 1]``.

    >>> runs = Runs.of(np.array([0, 0, 0, 1]), np.array([7, 7, 7, 3]), np.array([0, 4]), events_max=2)
    >>> runs.starts.tolist(), runs.sizes.tolist(), runs.withins.tolist(), runs.of_events.tolist()
    ([0, 2, 3], [2, 1, 1], [0, 2, 0], [0, 0, 1, 2])
    """

    starts: Ints
    sizes: Ints
    withins: Ints
    size_max: int
    of_events: Ints
    models: Ints
    ends_of_models: Ints

    @classmethod
    def of(cls, partitions: Ints, offsets: Ints, bounds: Ints, events_max: int) -> Runs:
        """Runs of at most ``events_max`` events of a batch that is not empty, partition after partition of each model.

        The events of model k are those from ``bounds[k]`` to before ``bounds[k + 1]``.
        """
        count = len(offsets)
        is_other = partitions[1:] != partitions[:-1]
        is_other[bounds[1:-1] - 1] = True
        edges = [0, *(is_other.nonzero()[0] + 1).tolist(), count]
        cuts = [start for begin, end in pairwise(edges) for start in range(begin, end, events_max)]
        run_edges = np.array([*cuts, count])
        starts, sizes = run_edges[:-1], run_edges[1:] - run_edges[:-1]
        is_first = np.ones(count, np.bool_)
        np.logical_or(is_other, offsets[1:] != offsets[:-1], out=is_first[1:])
        messages = is_first.nonzero()[0]
        within = starts - messages[messages.searchsorted(starts, side="right") - 1]
        of_events = np.arange(len(starts)).repeat(sizes)
        models = bounds[1:].searchsorted(starts, side="right")
        largest = int(np.maximum.reduce(sizes))
        return cls(starts, sizes, within, largest, of_events, models, starts.searchsorted(bounds))

    @property
    def ends(self) -> Ints:
        """The index after each run's last event."""
        return self.starts + self.sizes

    def of_model(self, number: int) -> tuple[slice, slice, Ints]:
        """The runs and the events of a model, and where its runs start among its events."""
        first, last = self.ends_of_models[number : number + 2].tolist()
        starts = self.starts[first:last]
        begin, end = int(starts[0]), int(starts[-1] + self.sizes[last - 1])
        return slice(first, last), slice(begin, end), starts - begin
