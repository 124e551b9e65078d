"""Triage: which predictions a person must see, decided before anyone looks."""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from review.settings import TriageSettings
from review.triage.batch import Hints, Policy, TriageBatch, TriageEvents
from review.triage.budget import ReviewBudget
from review.triage.compiled_rules import CompiledRules
from review.triage.decisions import ESCALATE, REVIEW, Decisions, Flags, Floats, Reasons
from review.triage.reasons import TriageReasons
from review.triage.runs import BatchOutcome, TriageRuns
from review.triage.threshold import Bar, RecentScores, ScoreThreshold
from schemas.columns.event_batch import EventBatch
from schemas.columns.prediction_columns import PredictionColumns

__all__ = ["CarriedState", "Triage", "TriageSnapshot", "decide_all", "decide_together"]

FORCED_MEMORY: Final = 0.1
"""Weight of the newest run in two moving shares of events: those that people see whatever the threshold is (forced),
and those that the threshold decides about (open)."""

EVERY_ONE: Final = itertools.repeat(True)
NO_HINTS: Final = Hints()


class TriageSnapshot(NamedTuple):
    """The state of a Triage after ``events`` events. It costs nothing to take, since it shares the recent scores.

    ``purse`` is in millionths of a review, negative when escalations have overdrawn it. ``forgiven`` counts reviews
    beyond ``debt_reviews_max``, which no later saving pays for. ``threshold`` is the score above which reviews are
    wanted, plus infinity when none are and minus infinity when all are. ``forced_share`` and ``open_share`` are moving
    shares of the events (FORCED_MEMORY); ``run_forced`` and ``run_open`` count them since the threshold last moved.
    """

    events: int
    purse: int
    forgiven: int
    threshold: float
    tie_probability: float
    recent: RecentScores
    forced_share: float
    open_share: float
    run_forced: int
    run_open: int


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedState:
    """A state that a Triage begins with, and the labels offered to reviewers (``choices``).

    ``is_whole``: the state is the complete one of a worker that owned the same partitions; otherwise it was put
    together from parts.
    """

    snapshot: TriageSnapshot
    choices: tuple[str, ...]
    is_whole: bool


class Triage:
    """Decides about the predictions of one model, in the order in which they come. It has no clock and draws nothing.

    Every event adds ``budget`` of a review to a purse. Escalations (declared rules, ``risk``) and the audit sample
    always reach a person and may overdraw the purse, which leaves less for reviews. Reviews are granted only while the
    purse holds one, first to rules that ask for review, then to scores above the threshold: a quantile of the recent
    scores, aimed at what the budget leaves. While the purse holds a review, the inclusion probability of such an event
    is 1 (or the known share of ties at the threshold); otherwise it is the audit rate. So it depends on the past and on
    the event's own data only.

    The threshold moves after every ``threshold_events`` events, counted over the life of this object, so the decisions
    do not depend on how events are batched. Memory: that of a ScoreThreshold of ``recent_scores_max``.

    With ``carried`` it goes on from that state, after a restart exactly where it was. ``salt`` is that of the model's
    draws.
    """

    def __init__(self, settings: TriageSettings, *, model: str, carried: CarriedState | None = None) -> None:
        self.settings = settings
        self.policy = Policy(settings)
        self.reasons = TriageReasons(self.policy)
        self.salt = settings.salt ^ zlib.crc32(model.encode())
        self._budget = ReviewBudget(settings.budget, settings.carry_reviews_max, settings.debt_reviews_max)
        self._threshold = ScoreThreshold(settings.recent_scores_max, settings.warmup_score_min)
        self._events = 0
        self._forced_share, self._open_share = settings.audit_rate, 1.0
        self._run_forced = self._run_open = 0
        if carried is not None:
            self.rewind(carried.snapshot)
            if not carried.is_whole and self._threshold.known >= settings.warmup_events:
                self._threshold.aim(self._share_left())

    def decide(
        self,
        events: PredictionColumns,
        *,
        error_probability: Floats | None = None,
        learned_uncertainty: Floats | None = None,
        disagreement: Flags | None = None,
        decided: Flags | None = None,
    ) -> Decisions:
        """Decide about a batch of one model; ``decide_together`` says what the hints are, each of shape (events,)."""
        hints = Hints(error_probability, learned_uncertainty, disagreement, decided)
        read = TriageEvents.of(events, self.policy.rules)
        return decide_together([self], [0, len(events)], read, hints)

    def decide_runs(self, batch: TriageBatch, begin: int, end: int, runs: TriageRuns) -> None:
        """Decide about the events from ``begin`` to before ``end``, which are the model's.

        They are decided run by run, since the threshold moves after each run and decides about the next.
        """
        every, size = self.settings.threshold_events, end - begin
        stops = [*range(every - self._events % every, size, every), size]
        slices = [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]

        def spend(run: slice, bar: Bar) -> float | None:
            self._decide_run(batch, slice(begin + run.start, begin + run.stop), bar, runs)
            return self._share_after(run.stop - run.start)

        scores, is_open = batch.scores[begin:end], batch.is_open[begin:end]
        self._threshold.follow(scores, is_open, slices if size else (), batch.audit_rate_min, spend)

    def _decide_run(self, batch: TriageBatch, run: slice, bar: Bar, runs: TriageRuns) -> None:
        """Spend reviews on the events of one run; events below the bar cost nothing and are not looked at."""
        stakes = batch.stakes[run]
        indexes = (stakes >= bar.wanted_from).nonzero()[0]
        sure = batch.sure[run][indexes].tolist()
        wanted: Iterable[bool] = EVERY_ONE
        if bar.wanted_from != bar.sure_from:
            by_lot = batch.draws[run][indexes] < bar.tie_probability
            wanted = (by_lot | (stakes[indexes] >= bar.sure_from)).tolist()
        refused = self._budget.spend(len(stakes), indexes.tolist(), sure, wanted)
        if refused:
            refused = [run.start + index for index in refused]
        runs.add(run.start, indexes, refused, bar)
        self._run_forced += batch.forced(run, refused, bar.sure_from)
        self._run_open += int(np.count_nonzero(batch.is_open[run]))

    def _share_after(self, events: int) -> float | None:
        """Count the events of a run; returns the share of scores wanted from then on, None if the threshold stays."""
        settings, run = self.settings, self.settings.threshold_events
        self._events += events
        if self._events % run:
            return None
        self._forced_share += FORCED_MEMORY * (self._run_forced / run - self._forced_share)
        self._open_share += FORCED_MEMORY * (self._run_open / run - self._open_share)
        self._run_forced = self._run_open = 0
        return self._share_left() if self._threshold.known >= settings.warmup_events else None

    def _share_left(self) -> float:
        """The share of scores that the budget leaves reviews for, carried reviews included."""
        settings = self.settings
        left = settings.budget - self._forced_share + self._budget.reviews / settings.carry_spread_events
        return left / max(self._open_share, 1e-6)

    @property
    def policy_version(self) -> str:
        """The version of the settings."""
        return self.policy.version

    @property
    def scores_known(self) -> int:
        """Number of scores the threshold has seen; from ``warmup_events`` on it follows them."""
        return self._threshold.known

    def snapshot(self) -> TriageSnapshot:
        """The present state, to undo a batch that is not committed; costs nothing."""
        return TriageSnapshot(
            events=self._events,
            purse=self._budget.purse,
            forgiven=self._budget.forgiven,
            threshold=self._threshold.value,
            tie_probability=self._threshold.tie_probability,
            recent=self._threshold.recent,
            forced_share=self._forced_share,
            open_share=self._open_share,
            run_forced=self._run_forced,
            run_open=self._run_open,
        )

    def rewind(self, snapshot: TriageSnapshot) -> None:
        """Go back to a snapshot of a Triage with the same settings; any snapshot may be used again."""
        self._threshold.recent = snapshot.recent
        self._threshold.value, self._threshold.tie_probability = snapshot.threshold, snapshot.tie_probability
        self._budget.purse, self._budget.forgiven = snapshot.purse, snapshot.forgiven
        self._events = snapshot.events
        self._forced_share, self._open_share = snapshot.forced_share, snapshot.open_share
        self._run_forced, self._run_open = snapshot.run_forced, snapshot.run_open


def decide_all(triages: Sequence[Triage], events: EventBatch, hints: Hints) -> Decisions:
    """Decide about the events of a batch, ``triages`` by model: models with equal settings together."""
    numbers_of: dict[str, list[int]] = {}
    for number, triage in enumerate(triages):
        numbers_of.setdefault(triage.policy.key, []).append(number)
    if len(numbers_of) == 1:
        read = _triage_events(events, range(len(triages)), triages[0].policy.rules)
        return decide_together(triages, events.bounds.tolist(), read, hints)
    pieces = []
    sizes = np.diff(events.bounds)
    for numbers in numbers_of.values():
        some = [triages[number] for number in numbers]
        indexes = np.concatenate([np.arange(*events.bounds[number : number + 2]) for number in numbers])
        bounds = [0, *sizes[numbers].cumsum().tolist()]
        read = _triage_events(events, numbers, some[0].policy.rules)
        pieces.append((indexes, decide_together(some, bounds, read, hints.take(indexes))))
    return Decisions.placed(pieces, len(events))


def _triage_events(events: EventBatch, numbers: Sequence[int], rules: CompiledRules) -> TriageEvents:
    """What triage reads of the events of some models of a batch, by their number, model after model."""
    if len(numbers) == len(events.models):
        return TriageEvents.joined([TriageEvents.of(piece, rules) for piece in events.pieces])
    return TriageEvents.joined([TriageEvents.of(events.of_model(number), rules) for number in numbers])


def decide_together(
    triages: Sequence[Triage], bounds: Sequence[int], events: TriageEvents, hints: Hints = NO_HINTS
) -> Decisions:
    """Decide about events of models with equal settings, those of ``triages[k]`` from ``bounds[k]`` to the next bound.

    The decisions are those that each Triage would make by itself; what does not depend on purse and threshold is
    computed for all models at once. Events of a model stand in the order in which they came.

    Of ``hints``, ``error_probability`` is the probability that the prediction is wrong, as the learned model estimates
    it; ``learned_uncertainty`` is the probability that the learned model's own answer is wrong. Where they are absent
    or NaN, the producer's own uncertainty is taken. ``disagreement`` marks events about which challenger and champion
    disagree; their audit rate is raised. ``decided`` marks events whose question people have answered before; they are
    accepted unless they escalate or the audit sample draws them. ValueError if a shape is wrong.
    """
    hints.check(len(events.confidence))
    policy = triages[0].policy
    salts = np.array([triage.salt for triage in triages], np.uint64).repeat(np.diff(bounds))
    batch, runs = TriageBatch.of(policy, events, salts, hints), TriageRuns()
    for triage, (begin, end) in zip(triages, pairwise(bounds), strict=True):
        triage.decide_runs(batch, begin, end, runs)
    outcome = runs.outcome(batch)
    reason_codes, reason_texts = triages[0].reasons.write(batch, outcome)
    return _decisions(batch, outcome, reason_codes, reason_texts)


def _decisions(
    batch: TriageBatch, outcome: BatchOutcome, reason_codes: npt.NDArray[np.int32], reason_texts: tuple[Reasons, ...]
) -> Decisions:
    """The decisions as columns: events that the outcome does not name are accepted."""
    codes, audit = np.zeros(len(batch), np.int8), np.zeros(len(batch), np.bool_)
    codes[outcome.escalated] = ESCALATE
    codes[outcome.reviewed] = REVIEW
    audit[outcome.audited] = True
    inclusion = batch.audit_rate.copy()
    inclusion[outcome.withheld] = 0.0
    inclusion[outcome.escalated] = 1.0
    inclusion[outcome.granted] = outcome.chance
    return Decisions(
        codes=codes,
        inclusion_probability=inclusion,
        uncertainty=batch.uncertainty,
        scores=batch.scores,
        audit=audit,
        audit_probability=np.where(batch.drawn, batch.audit_rate, 0.0),
        reason_codes=reason_codes,
        reason_texts=reason_texts,
    )
