"""From opinions to one settled answer, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from review.settings import AgreementSettings
from schemas.wire.correction import Correction
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN, Opinion
from schemas.wire.task import Task

__all__ = [
    "OpinionsResult",
    "PersonRecord",
    "TrackRecord",
    "correction_id_of",
    "correction_of",
    "settle",
    "standing_opinions",
]


class OpinionsResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the opinions on a task so far.

    ``more`` people are still to be asked, adjudicators if ``adjudication`` is set; at 0 the task is settled. Its
    ``answer`` is CANNOT_TELL if everyone who may be asked looked and nobody could tell. ``decided_by`` is the
    adjudicator who gave the answer.
    """

    more: int = 0
    adjudication: bool = False
    answer: str = ""
    source: Literal["review", "adjudication"] = "review"
    decided_by: str = ""


def standing_opinions(opinions: Iterable[Opinion]) -> list[Opinion]:
    """The newest opinion of each person, in order of time; people who took theirs back are left out."""
    newest: dict[str, Opinion] = {}
    for opinion in opinions:
        before = newest.get(opinion.person)
        if before is None or (before.time, before.opinion_id) < (opinion.time, opinion.opinion_id):
            newest[opinion.person] = opinion
    kept = [opinion for opinion in newest.values() if opinion.answer != WITHDRAWN]
    return sorted(kept, key=lambda opinion: (opinion.time, opinion.opinion_id))


def settle(opinions: Iterable[Opinion], *, opinions_needed: int, adjudication_rounds_max: int) -> OpinionsResult:
    """The result of the opinions on one task, which does not depend on the order in which they were heard.

    The first ``opinions_needed`` people (by time) are the reviewers: CANNOT_TELL counts as a person, not as a vote.
    Unanimous votes settle the task. Otherwise the people after them are adjudicators, one a round: the first who can
    tell decides; after ``adjudication_rounds_max`` who cannot, the task is settled as CANNOT_TELL.

    >>> ann = Opinion(opinion_id="o-1", task_id="t-1", model="m", person="ann", answer="yes", time=1)
    >>> bob = Opinion(opinion_id="o-2", task_id="t-1", model="m", person="bob", answer="no", time=2)
    >>> settle([ann], opinions_needed=1, adjudication_rounds_max=2).answer
    'yes'
    >>> settled = settle([ann, bob], opinions_needed=2, adjudication_rounds_max=2)
    >>> settled.more, settled.adjudication
    (1, True)
    """
    standing = standing_opinions(opinions)
    reviewers, adjudicators = standing[:opinions_needed], standing[opinions_needed:]
    if len(reviewers) < opinions_needed:
        return OpinionsResult(more=opinions_needed - len(reviewers))
    votes = {opinion.answer for opinion in reviewers if opinion.answer != CANNOT_TELL}
    if len(votes) == 1:
        return OpinionsResult(answer=votes.pop())
    for opinion in adjudicators[:adjudication_rounds_max]:
        if opinion.answer != CANNOT_TELL:
            return OpinionsResult(
                answer=opinion.answer, source="adjudication", adjudication=True, decided_by=opinion.person
            )
    if len(adjudicators) < adjudication_rounds_max:
        return OpinionsResult(more=1, adjudication=True)
    return OpinionsResult(answer=CANNOT_TELL, source="adjudication", adjudication=True)


class PersonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How often a person's votes were compared with an answer that others took part in, and how often they agreed."""

    compared: int = 0
    agreed: int = 0


class TrackRecord:
    """Reliability of people, smoothed by a Beta prior: (agreed + prior) / (compared + prior answers).

    Votes are compared if at least two people voted, or if ground truth arrived. A person's agreement with themselves
    teaches nothing, so an adjudicator's vote is not compared with their own decision. At ``people_max`` newcomers keep
    the prior.

    >>> track = TrackRecord(AgreementSettings(prior_reliability=0.9, prior_answers=10.0))
    >>> track.compare("ann", agreed=False)
    >>> round(track.reliability("ann"), 3)
    0.818
    """

    def __init__(self, settings: AgreementSettings) -> None:
        self._settings = settings
        self._records: dict[str, PersonRecord] = {}

    def reliability(self, person: str) -> float:
        """The probability that this person's vote is right."""
        record = self._records.get(person) or PersonRecord()
        prior = self._settings.prior_answers
        return (record.agreed + prior * self._settings.prior_reliability) / (record.compared + prior)

    def compare(self, person: str, *, agreed: bool) -> None:
        """Count one vote that was compared with a settled answer or a known label."""
        record = self._records.get(person)
        if record is None:
            if len(self._records) >= self._settings.people_max:
                return
            record = PersonRecord()
        self._records[person] = PersonRecord(compared=record.compared + 1, agreed=record.agreed + int(agreed))

    def learn_settled(self, opinions: Iterable[Opinion], outcome: OpinionsResult) -> None:
        """Compare the votes with the settled answer if there are at least two, apart from the adjudicator's own."""
        voters = [
            opinion
            for opinion in standing_opinions(opinions)
            if opinion.answer != CANNOT_TELL and opinion.person != outcome.decided_by
        ]
        if outcome.answer == CANNOT_TELL or len(voters) < 2:
            return
        for opinion in voters:
            self.compare(opinion.person, agreed=opinion.answer == outcome.answer)

    def reliability_of(self, opinions: Iterable[Opinion], answer: str, labels: int) -> float:
        """The probability that ``answer`` is right, given the votes.

        People err independently and, when they do, spread evenly over the other of ``labels`` labels (at least two):
        the one-coin model of Dawid & Skene 1979, with a flat prior over labels. 0.0 if nobody could tell.
        """
        voters = [opinion for opinion in standing_opinions(opinions) if opinion.answer != CANNOT_TELL]
        if answer == CANNOT_TELL or not voters:
            return 0.0
        named = {opinion.answer for opinion in voters} | {answer}
        size = max(2, labels, len(named))
        logs = dict.fromkeys(named, 0.0)
        silent = 0.0
        for opinion in voters:
            right = self.reliability(opinion.person)
            wrong = math.log((1.0 - right) / (size - 1))
            silent += wrong
            for label in logs:
                logs[label] += math.log(right) if label == opinion.answer else wrong
        top = max(*logs.values(), silent)
        total = sum(math.exp(value - top) for value in logs.values()) + (size - len(named)) * math.exp(silent - top)
        return math.exp(logs[answer] - top) / total


def correction_id_of(task_id: str) -> str:
    """The id of the one correction that a task can lead to.

    >>> correction_id_of("t-5")
    'c-5'
    """
    return "c-" + task_id.removeprefix("t-")


def correction_of(
    task: Task, answer: str, *, source: Literal["review", "adjudication"], reliability: float, created_at: int
) -> Correction | None:
    """The correction that a settled task leads to; None for an alert, or if nobody could tell."""
    evidence = task.evidence
    if evidence is None or answer == CANNOT_TELL:
        return None
    return Correction(
        correction_id=correction_id_of(task.task_id),
        model=task.model,
        model_version=evidence.model_version,
        event_id=evidence.event_id,
        time=evidence.time,
        created_at=created_at,
        label=answer,
        source=source,
        task_id=task.task_id,
        features=evidence.features,
        prediction=evidence.prediction,
        confidence=evidence.confidence,
        probabilities=evidence.probabilities,
        slices=evidence.slices,
        inclusion_probability=task.inclusion_probability,
        audit=task.lane == "audit",
        reliability=reliability,
        learn=evidence.learn,
        learned_prediction=evidence.learned_prediction,
        learned_version=evidence.learned_version,
        challenger_prediction=task.challenger_prediction,
        challenger_version=task.challenger_version,
        audit_probability=task.audit_probability,
    )
