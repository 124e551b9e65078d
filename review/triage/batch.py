"""A batch before the threshold is looked at: columns whose entries depend on one event each."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from review.settings import TriageSettings
from review.triage.compiled_rules import CompiledRules
from review.triage.decisions import Flags, Floats
from schemas.columns.prediction_columns import PredictionColumns
from schemas.hashing import draws_of

__all__ = ["Hints", "Policy", "TriageBatch", "TriageEvents", "prediction_uncertainty"]

ALWAYS: Final = np.inf
NEVER: Final = -np.inf
"""Stakes above and below every threshold."""


class Policy:
    """Settings that decide about one or more models, made ready. ``version`` names them, equal ones have equal keys."""

    def __init__(self, settings: TriageSettings) -> None:
        self.settings = settings
        self.rules = CompiledRules(settings.rules)
        self.key = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()
        self.version = self.key[:12]


class TriageEvents(NamedTuple):
    """What triage reads of n events, each of shape (n,).

    ``hashes`` are ``schemas.hashing.id_hashes``, ``risk`` is NaN where none is given, ``matches`` has bit k set where
    rule k of the policy matches.
    """

    confidence: Floats
    risk: Floats
    reviewable: Flags
    hashes: npt.NDArray[np.uint64]
    matches: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, events: PredictionColumns, rules: CompiledRules) -> TriageEvents:
        """The events of one or more models with the same rules."""
        return cls(events.confidence, events.risk, events.reviewable, events.hashes, rules.matches(events))

    @classmethod
    def joined(cls, pieces: Sequence[TriageEvents]) -> TriageEvents:
        """The events of all pieces, piece after piece."""
        return pieces[0] if len(pieces) == 1 else cls(*map(np.concatenate, zip(*pieces, strict=True)))

    def take(self, indexes: npt.NDArray[np.int64]) -> TriageEvents:
        """The events at these indexes, in this order."""
        return TriageEvents(*(column[indexes] for column in self))  # type: ignore[arg-type]  # the same types


class Hints(NamedTuple):
    """What others know of the events of a batch, each of shape (events,); None where nobody knows.

    ``Triage.decide`` says what each means.
    """

    error_probability: Floats | None = None
    learned_uncertainty: Floats | None = None
    disagreement: Flags | None = None
    decided: Flags | None = None

    def take(self, indexes: npt.NDArray[np.int64]) -> Hints:
        """The hints about the events at these indexes, in this order."""
        return Hints(*(None if column is None else column[indexes] for column in self))  # type: ignore[arg-type]

    def check(self, events: int) -> None:
        """ValueError where a column has not one entry an event."""
        for name, column in self._asdict().items():
            if column is not None and column.shape != (events,):
                raise ValueError(f"{name} has shape {column.shape}; expected ({events},), one entry an event")


@dataclasses.dataclass(frozen=True, slots=True)
class TriageBatch:
    """The columns of a batch that do not depend on the threshold; one entry an event.

    Reviewable events reach a person in one of four ways. Those that ``escalate`` always do. Those ``asked`` for by a
    rule do while the budget lasts. Those ``decided`` before do if the audit sample draws them. The others, which are
    ``is_open``, do if the sample draws them or their score is high enough.

    ``drawn`` marks the draws of the audit sample, ``audit_drawn`` those of them that do not escalate; a review takes an
    event out of the sample later. ``sure`` events escalate or are drawn: they reach a person in any case. ``certain``
    events are sure or asked for: the threshold has no say in them.

    ``stakes`` is compared with the threshold. It holds the score of an open event, ALWAYS for a certain one, and NEVER
    for one that no review is due for. ``audit_stakes`` holds the scores of the open events that the sample has drawn
    and a review would take out of it, NEVER for the others.
    """

    scores: Floats
    uncertainty: Floats
    draws: Floats
    audit_rate: Floats
    audit_rate_min: float
    reviewable: Flags
    is_open: Flags
    decided: Flags
    asked: Flags
    escalate: Flags
    risky: Flags
    matches: npt.NDArray[np.uint64]
    drawn: Flags
    audit_drawn: Flags
    sure: Flags
    certain: Flags
    stakes: Floats
    audit_stakes: Floats

    @classmethod
    def of(
        cls,
        policy: Policy,
        events: TriageEvents,
        salts: npt.NDArray[np.uint64],
        hints: Hints,
    ) -> TriageBatch:
        """The columns of a batch; no entry depends on other events. ``salts`` are those of the events' draws."""
        settings, rules, decided, size = policy.settings, policy.rules, hints.decided, len(events.confidence)
        uncertainty = prediction_uncertainty(events.confidence)
        scores = scores_of(settings, uncertainty, hints.error_probability, hints.learned_uncertainty)
        # Salts are added to the hashes, so each event may have its own.
        draws, audit_rate = draws_of(events.hashes + salts, 0), audit_rates(settings, hints.disagreement, size)
        reviewable, none = events.reviewable, np.zeros(size, np.bool_)
        risky, matches = events.risk >= settings.escalate_risk_min, events.matches
        escalate = reviewable & (risky | rules.escalating(matches) if rules.rules else risky)
        rest = reviewable & ~escalate
        settled = none if decided is None else decided & rest
        asked = rest & ~settled & (matches != 0) if rules.rules else none
        is_open = rest & ~(asked | settled)
        drawn = (draws < audit_rate) & reviewable
        audit_drawn = drawn & rest
        sure = escalate | audit_drawn
        certain = sure | asked
        contested = (audit_drawn & is_open & (audit_rate < 1.0)).nonzero()[0]
        stakes, audit_stakes = scores.copy(), np.full(size, NEVER)
        stakes[~is_open] = NEVER
        stakes[certain] = ALWAYS
        audit_stakes[contested] = scores[contested]
        return cls(
            scores=scores,
            uncertainty=uncertainty,
            draws=draws,
            audit_rate=audit_rate,
            audit_rate_min=settings.audit_rate,
            reviewable=reviewable,
            is_open=is_open,
            decided=settled,
            asked=asked,
            escalate=escalate,
            risky=risky,
            matches=matches,
            drawn=drawn,
            audit_drawn=audit_drawn,
            sure=sure,
            certain=certain,
            stakes=stakes,
            audit_stakes=audit_stakes,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def forced(self, run: slice, refused: Sequence[int], sure_from: float) -> int:
        """How many events of a run people see whatever the threshold is: escalated, drawn or asked for by a rule.

        ``refused`` are the indexes at which the purse held no review. Scores of at least ``sure_from`` were wanted for
        sure; what was drawn and reviewed for its score does not count.
        """
        certain = int(np.count_nonzero(self.certain[run]))
        reviewed_instead = int(np.count_nonzero(self.audit_stakes[run] >= sure_from))
        for index in refused:
            if self.audit_stakes[index] >= sure_from:
                reviewed_instead -= 1
            elif self.asked[index] and not self.sure[index]:
                certain -= 1
        return certain - reviewed_instead


def prediction_uncertainty(confidence: Floats) -> Floats:
    """1 - the model's own probability of its answer ("least confidence", Lewis & Gale 1994); shape (events,).

    It estimates the probability of being wrong, so it has the same scale as error probabilities. It means the same
    whether a producer sends ``confidence`` or ``probabilities``. With two labels it orders events as margin and entropy
    do.
    """
    return np.clip(1.0 - confidence, 0.0, 1.0)


def filled(given: Floats | None, fallback: Floats) -> Floats:
    """The given numbers, clipped to [0, 1]; the fallback where they are NaN or None."""
    return fallback if given is None else np.where(np.isnan(given), fallback, np.clip(given, 0.0, 1.0))


def scores_of(
    settings: TriageSettings, uncertainty: Floats, error_probability: Floats | None, learned_uncertainty: Floats | None
) -> Floats:
    """What a review of each event is worth under the strategy, from 0 to 1; shape (events,)."""
    error = filled(error_probability, uncertainty)
    doubt = filled(learned_uncertainty, uncertainty)
    if settings.strategy == "catch":
        return error
    if settings.strategy == "learn":
        return doubt
    return settings.mix_catch_weight * error + (1.0 - settings.mix_catch_weight) * doubt


def audit_rates(settings: TriageSettings, disagreement: Flags | None, size: int) -> Floats:
    """The audit rate of each event, raised where challenger and champion disagree; shape (events,)."""
    if disagreement is None:
        return np.full(size, settings.audit_rate)
    return np.where(disagreement, settings.disagreement_audit_rate, settings.audit_rate)
