"""Translates the answers of ``review.queue.queue`` into those of a desk, for desks that are built on that queue."""

from __future__ import annotations

from typing import Final

from console.desk.feature_ranges import Ranges
from console.desk.protocol import ActionResult, LaneCounts, LeasedTask, Outcome, QueueCounts, TaskSummary
from console.desk.seen_task import is_blind, seen_task
from review.queue.queue import Queue
from review.queue.replies import QueuedCounts, QueuedTask, Reply, ReplyStatus
from review.settings import QueueSettings
from review.task_life import lane_settings
from schemas.wire.alert import Alert
from schemas.wire.opinion import WITHDRAWN
from schemas.wire.person import Person
from schemas.wire.task import Lane

__all__ = ["action_result", "leased_task", "queue_counts", "task_summary"]

OUTCOME_OF: Final[dict[ReplyStatus, Outcome]] = {
    "done": "accepted",
    "known": "accepted",
    "unknown_task": "unknown",
    "settled": "conflict",
    "lease_lost": "lease_lost",
    "held_by_another": "lease_lost",
    "other_role": "not_allowed",
    "already_answered": "conflict",
    "not_a_choice": "not_offered",
    "too_late": "too_late",
}


def action_result(reply: Reply, *, undo_until: int = 0) -> ActionResult:
    """The queue's reply to a request; ``undo_until`` (epoch milliseconds) is kept only if it was accepted."""
    outcome = OUTCOME_OF[reply.status]
    undo = undo_until if outcome == "accepted" else 0
    return ActionResult(outcome=outcome, message=reply.sentence, undo_until=undo)


def queue_counts(counts: dict[Lane, QueuedCounts], settings: QueueSettings) -> QueueCounts:
    """The counts of every lane. Answered tasks are left out, although their answers can still be taken back."""
    lanes = {
        lane: LaneCounts(
            roles=lane_settings(settings, lane).roles,
            open=of_lane.open + of_lane.leased,
            leased=of_lane.leased,
            overdue=of_lane.overdue,
            oldest_due_at=of_lane.due_next_ms or 0,
        )
        for lane, of_lane in counts.items()
    }
    return QueueCounts(lanes=lanes)


def task_summary(view: QueuedTask, holder: Person | None) -> TaskSummary:
    """One row of the queue; ``holder`` is the account of ``view.holder``, if it exists."""
    task = seen_task(view.task, blind=is_blind(view.task.lane))
    evidence = task.evidence
    return TaskSummary(
        task_id=task.task_id,
        lane=task.lane,
        model=task.model,
        priority=task.priority,
        created_at=task.created_at,
        due_at=task.due_at,
        reasons=task.reasons,
        prediction=(evidence.prediction if evidence else None) or "",
        confidence=evidence.confidence if evidence else None,
        alert_id=task.alert_id,
        opinions=len(view.opinions),
        leased_by=view.holder,
        leased_simulated=holder is not None and holder.simulated,
    )


def leased_task(
    queue: Queue, view: QueuedTask, person: Person, *, note: str, ranges: Ranges, alert: Alert | None
) -> LeasedTask:
    """A task as this person may see it, so that nothing influences their answer.

    They see the opinions of others only as an adjudicator, and the model's prediction for an audit task only after
    they have answered; their answer is then final.
    """
    standing = [opinion for opinion in view.opinions if opinion.answer != WITHDRAWN]
    mine = next((opinion for opinion in standing if opinion.person == person.person_id), None)
    blind = is_blind(view.task.lane, view.task.state, mine)
    if is_blind(view.task.lane, view.task.state) and not blind:
        queue.stand(view.task.task_id, person.person_id)
    holds = view.holder == person.person_id
    return LeasedTask(
        task=seen_task(view.task, blind=blind),
        model_hidden=blind,
        leased_until=view.until_ms if holds else 0,
        note="" if holds else note,
        mine=mine,
        earlier=tuple(o for o in standing if o.person != person.person_id) if holds and view.adjudication else (),
        ranges=ranges,
        alert=alert,
    )
