"""A whole backtest: a recorded table in, a report out."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import structlog

from agents.settings import Settings
from watchloop.backtest.loop import BacktestSettings, Loop
from watchloop.backtest.report import BacktestReport
from watchloop.recorded.replayable import Replayable, no_change_accuracy

__all__ = ["run_backtest"]


def run_backtest(
    source: Replayable,
    settings: Settings,
    options: BacktestSettings,
    *,
    progress: Callable[[Loop], None] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
) -> BacktestReport:
    """Replay a table with labels through the loop; ``progress`` is called after every batch.

    The same table, settings and options give the same report, except ``seconds``.
    """
    with only_warnings():
        return _replayed(source, settings, options, progress, clock)


@contextlib.contextmanager
def only_warnings() -> Iterator[None]:
    """Log only warnings and errors: what roles log besides is for a worker, and a backtest reports it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)


def _replayed(
    source: Replayable,
    settings: Settings,
    options: BacktestSettings,
    progress: Callable[[Loop], None],
    clock: Callable[[], float],
) -> BacktestReport:
    begin = clock()
    loop = Loop(source.model, len(source), settings, options)
    truths, size = source.truths, options.batch_events
    batches = -(-len(source) // size)
    batches_a_point = max(1, -(-batches // options.live_points_max))
    for number in range(batches):
        start, stop = number * size, min(len(source), (number + 1) * size)
        loop.replay(source.predictions(start, stop), truths[start:stop])
        if number % batches_a_point == batches_a_point - 1 or stop == len(source):
            loop.live.look(stop, loop.score.accuracy_model)
        progress(loop)
    loop.finish()
    return report_of(loop, source, seconds=clock() - begin)


def report_of(loop: Loop, source: Replayable, *, seconds: float) -> BacktestReport:
    """The report of a loop that has replayed all rows in ``seconds``."""
    score, slices = loop.score, loop.live.slices()
    return BacktestReport(
        events=score.events,
        errors=score.errors,
        reviewed=score.reviewed,
        review_rate=score.reviewed / score.events,
        errors_caught=score.errors_caught,
        accuracy_model=score.accuracy_model,
        accuracy_after_review=score.accuracy_after_review,
        accuracy_learned=score.accuracy_learned,
        gate=loop.gate,
        alerts=loop.alerts,
        live_accuracy=loop.live.points,
        slices=slices,
        seconds=seconds,
        accuracy_no_change=no_change_accuracy(source.truths),
        errors_caught_by_confidence=score.caught_by_confidence(source.confidences),
        stretches=score.stretches(),
        slices_left_out=source.slice_count - len(slices),
    )
