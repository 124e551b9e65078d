"""Measured: the figures of the blocks of a batch of many models, as arrays, before they become Structs or columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.numeric import Summaries, numeric_summaries
from drift.blocks.runs import Ints, Runs
from drift.blocks.samples import Sampled, samples
from drift.blocks.signals import Signals, blurred_in, signals_of
from drift.blocks.tallies import Tally, tally
from drift.settings import DriftSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.reference import Reference

__all__ = ["BlockEvents", "Measured", "block_id_of", "measured"]


class BlockEvents(NamedTuple):
    """n events of m models, where they came from, and what was decided.

    The events of a model on one partition are together, in offset order; ``offsets`` repeat where one message holds
    many events. ``decisions`` has a code for each event, an index into ``decision_names``. ``references`` has one for
    each model, None while there is none.
    """

    events: PredictionColumns
    partitions: Ints
    offsets: Ints
    decisions: npt.NDArray[np.int8]
    decision_names: Sequence[str]
    references: Sequence[Reference | None]

    def check(self) -> None:
        """Raises ValueError if the columns differ in length or a decision has no name."""
        count = len(self.events)
        if not len(self.partitions) == len(self.offsets) == len(self.decisions) == count:
            raise ValueError(
                f"{count} events with {len(self.partitions)} partitions, {len(self.offsets)} offsets and "
                f"{len(self.decisions)} decisions: one each is needed"
            )
        if count and self.decisions.astype(np.uint8).max() >= len(self.decision_names):
            raise ValueError(f"a decision beyond the {len(self.decision_names)} that have names")

    def by_model(self) -> Iterator[BlockEvents]:
        """The events of each model alone."""
        bounds = self.events.bounds.tolist()
        for number, (begin, end) in enumerate(pairwise(bounds)):
            some = slice(begin, end)
            yield BlockEvents(
                events=self.events.of_model(number),
                partitions=self.partitions[some],
                offsets=self.offsets[some],
                decisions=self.decisions[some],
                decision_names=self.decision_names,
                references=self.references[number : number + 1],
            )


class Measured(NamedTuple):
    """The figures of r blocks, one for each run.

    ``texts`` has a column for each signal with texts; ``missing``, of shape (r, columns), counts events with neither
    text nor number, ``decided``, (r, decisions), the decisions. ``left_out`` names for each run the features that are
    not watched, and those that are watched by their mean alone.
    """

    given: BlockEvents
    settings: DriftSettings
    runs: Runs
    signals: Signals
    summaries: Summaries
    texts: Tally
    missing: Ints
    decided: Ints
    sampled: Sampled
    left_out: Sequence[tuple[str, ...]]

    def names(self) -> list[tuple[str, str, str]]:
        """Id, model and reference of each block; the reference is empty for none."""
        starts, models = self.runs.starts, self.given.events.models
        versions = ["" if known is None else known.version for known in self.given.references]
        return [
            (block_id_of(models[model], partition, offset, within), models[model], versions[model])
            for model, partition, offset, within in zip(
                self.runs.models.tolist(),
                self.given.partitions[starts].tolist(),
                self.given.offsets[starts].tolist(),
                self.runs.withins.tolist(),
                strict=True,
            )
        ]


def measured(given: BlockEvents, settings: DriftSettings) -> list[Measured]:
    """The figures of blocks of at most ``block_events_max`` events each, in one piece, or in one for each model.

    Blocks stand model after model, those of a model partition after partition, in offset order. Raises ValueError if
    the columns differ in length or a decision has no name.
    """
    given.check()
    if not len(given.events):
        return []
    signals = signals_of(given.events, settings, given.references[0])
    if signals.unwatched and len(given.events.models) > 1:
        # Which features are watched depends on the reference of a model, and on how many of its events have them.
        return [piece for some in given.by_model() for piece in measured(some, settings)]
    runs = Runs.of(given.partitions, given.offsets, given.events.bounds, settings.block_events_max)
    summaries = numeric_summaries(signals.numeric, signals.numbers, runs, given.references, signals.remainders)
    texts = tally(list(signals.text.values()), runs)
    rows_max = [
        settings.block_events_max if known is None else settings.sample_rows_per_block for known in given.references
    ]
    names = len(given.decision_names)
    decided = np.bincount(runs.of_events * names + given.decisions, minlength=len(runs.starts) * names)
    return [
        Measured(
            given=given,
            settings=settings,
            runs=runs,
            signals=signals,
            summaries=summaries,
            texts=texts,
            missing=_missing(signals, texts, summaries.moments.counts),
            decided=decided.reshape(-1, names),
            sampled=samples(given.events, signals, runs, rows_max, settings),
            left_out=_left_out(given.events, signals, runs),
        )
    ]


def _missing(signals: Signals, texts: Tally, counts: Ints) -> Ints:
    """Events with neither text nor number of each signal with texts; ``counts`` are of numbers, (signals, runs)."""
    missing = texts.absent.copy()
    for column, signal in enumerate(signals.text):
        if signal in signals.numeric:
            missing[:, column] -= counts[signals.numeric.index(signal)]
    return missing


def _left_out(events: PredictionColumns, signals: Signals, runs: Runs) -> Sequence[tuple[str, ...]]:
    if not signals.inexact:
        return [signals.unwatched] * len(runs.starts)
    bounds = zip(runs.starts.tolist(), runs.ends.tolist(), strict=True)
    return [tuple(sorted((*signals.unwatched, *blurred_in(signals, events, *bound)))) for bound in bounds]


def block_id_of(model: str, partition: int, offset: int, within: int) -> str:
    """The id of the block that starts at a position in the log, at most ``NAME_CHARS_MAX`` characters.

    ``within`` counts the model's events that come before the block in the message at ``offset``.

    >>> block_id_of("credit", partition=0, offset=17, within=2)
    'credit/0/17.2'
    """
    position = f"/{partition}/{offset}.{within}"
    if len(model) + len(position) > NAME_CHARS_MAX:
        model = f"{model[:100]}~{hashlib.sha256(model.encode()).hexdigest()[:16]}"
    return model + position
