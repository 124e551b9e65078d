"""Figures about the running loop, cheap enough to be asked for every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from warehouse.query.first_verdicts import FIRST_OF_ANSWERED, FirstVerdicts
from warehouse.query.lookups import Ask

__all__ = ["DriftState", "ModelCounts", "RejectCounts", "drift_states", "model_counts", "reject_counts"]


REASONS_SHOWN_MAX = 20
REASON_CHARS_SHOWN_MAX = 400


class RejectCounts(msgspec.Struct, frozen=True):
    """Numbers of rejects by kind, of ``REASONS_SHOWN_MAX`` kinds; how many more kinds there are, and their rejects."""

    shown: dict[str, int] = {}
    kinds_more: int = 0
    more: int = 0


class ModelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one model, and the sums that its live accuracy is estimated from.

    An event that came again counts once, by its first verdict and the prediction that was judged; see
    ``warehouse.query.first_verdicts`` for how far it is searched for under other times. With g the guess of P(right)
    made at triage, O whether it was right and π the inclusion probability: ``accuracy_total`` is Σ g + Σ (O − g)/π over
    reviewable and answered events, ``accuracy_variance`` is Σ (1 − π)(O − g)²/π² over answered ones, ``audit_hits``
    counts the answered ones with π < 1, ``answered_reviewable`` all of them, ``answered_right`` those on which the
    model was right. Over the events that were drawn and are not answered, ``accuracy_lost`` is Σ g/π and
    ``accuracy_gained`` Σ (1 − g)/π: what the total loses if the model was wrong on all of them, and gains if it was
    right; ``accuracy_open_variance`` is the most that their answers can add to the variance. ``answered`` counts the
    events chosen for review that somebody has answered.
    """

    model: str
    events: int
    reviewable: int
    decisions: dict[str, int]
    audited: int
    inclusion_min: float
    corrections: int = 0
    answered: int = 0
    audit_hits: int = 0
    answered_reviewable: int = 0
    answered_right: int = 0
    accuracy_total: float = 0.0
    accuracy_variance: float = 0.0
    accuracy_lost: float = 0.0
    accuracy_gained: float = 0.0
    accuracy_open_variance: float = 0.0


def model_counts(ask: Ask, verdicts: FirstVerdicts | None = None) -> list[ModelCounts]:
    """Counts of every model that has verdicts; ``verdicts``, kept between calls, saves counting again."""
    sums = (verdicts or FirstVerdicts()).of_models(ask)
    answers = {row["model"]: row for row in ask(ANSWERED_SUMS, {})}
    answered = {row["model"]: int(row["rows"]) for row in ask(ANSWERED, {})}
    corrections = {row["model"]: int(row["rows"]) for row in ask(CORRECTIONS, {})}
    return [
        _counts(
            row,
            answers.get(row["model"], {}),
            corrections=corrections.get(row["model"], 0),
            answered=answered.get(row["model"], 0),
        )
        for row in sums
    ]


CORRECTIONS = "SELECT model, uniqExact(correction_id) AS rows FROM corrections GROUP BY model"
ANSWERED_SUMS = f"""
    SELECT model, countIf(pi < 1) AS audit_hits, count() AS rows, countIf(is_right) AS found_right,
        sum((is_right - g) / pi) AS weighted,
        sum(g / pi) AS answered_right, sum((1 - g) / pi) AS answered_wrong,
        sum((1 - pi) * pow((is_right - g) / pi, 2)) AS variance,
        sum((1 - pi) * pow(greatest(g, 1 - g) / pi, 2)) AS answered_variance
    FROM
    (
        SELECT v.model AS model, v.pi AS pi, v.g AS g, a.label = p.prediction AS is_right
        FROM ({FIRST_OF_ANSWERED}) AS v
        INNER JOIN answers AS a ON a.model = v.model AND a.event_id = v.event_id AND a.task_id = v.task
        INNER JOIN
        (
            SELECT model, event_id, time, prediction
            FROM predictions WHERE (model, event_id) IN (SELECT model, event_id FROM answers)
            ORDER BY model, time, event_id, _stored_at, _offset, _index
            LIMIT 1 BY model, time, event_id
        ) AS p ON p.model = v.model AND p.event_id = v.event_id AND p.time = v.time
        WHERE v.asked AND v.pi > 0
    )
    GROUP BY model
"""  # noqa: S608 - a text of ours
ANSWERED = "SELECT model, count() AS rows FROM answers GROUP BY model"


class DriftState(msgspec.Struct, frozen=True, kw_only=True):
    """How DRIFT stands with a model: blocks out of turn, jumps back in time, features not watched."""

    late_blocks: int = 0
    late_events: int = 0
    forced_blocks: int = 0
    time_resets: int = 0
    features_unwatched: int = 0
    unwatched: tuple[str, ...] = ()


def drift_states(ask: Ask) -> dict[str, DriftState]:
    """The newest state of each model, by model."""
    rows = ask(
        """
        SELECT model, argMax(
            (late_blocks, late_events, forced_blocks, time_resets, features_unwatched, unwatched), told_at
        ) AS state
        FROM drift_states GROUP BY model
        """,
        {},
    )
    return {str(row["model"]): _drift_state(*row["state"]) for row in rows}


def _drift_state(
    late_blocks: Any, late_events: Any, forced: Any, resets: Any, unwatched: Any, names: Any
) -> DriftState:
    return DriftState(
        late_blocks=int(late_blocks),
        late_events=int(late_events),
        forced_blocks=int(forced),
        time_resets=int(resets),
        features_unwatched=int(unwatched),
        unwatched=tuple(map(str, names)),
    )


def reject_counts(ask: Ask) -> RejectCounts:
    """Rejects by kind, the most frequent first, each under its newest reason.

    Reasons that differ only in the value that came, or in long numbers, are of one kind.
    """
    rows = ask(
        """
        WITH replaceRegexpOne(reason, '^got .*?; expected ', 'expected ') AS wanted
        SELECT role, replaceRegexpAll(substring(wanted, 1, 120), '[0-9]{3,}', '…') AS kind,
            argMax(reason, (time, _stored_at, _offset, _index)) AS newest, sum(elements) AS rows,
            count() OVER () AS all_kinds, sum(rows) OVER () AS all_rows
        FROM rejects GROUP BY role, kind ORDER BY rows DESC, role, kind LIMIT {most:UInt32}
        """,
        {"most": REASONS_SHOWN_MAX},
    )
    shown: dict[str, int] = {}
    for row in rows:
        reason = str(row["newest"])
        cut = reason if len(reason) <= REASON_CHARS_SHOWN_MAX else f"{reason[:REASON_CHARS_SHOWN_MAX]} …"
        why = f"{row['role']}: {cut}"
        shown[why] = shown.get(why, 0) + int(row["rows"])
    if not rows:
        return RejectCounts()
    kinds, elements = int(rows[0]["all_kinds"]), int(rows[0]["all_rows"])
    return RejectCounts(shown, kinds - len(rows), elements - sum(shown.values()))


def _counts(row: Mapping[str, Any], sums: Mapping[str, Any], *, corrections: int, answered: int) -> ModelCounts:
    decisions = {"accept": "accepted", "review": "reviewed", "escalate": "escalated"}
    return ModelCounts(
        model=str(row["model"]),
        events=int(row["events"]),
        reviewable=int(row["reviewable"]),
        decisions={name: int(row[column]) for name, column in decisions.items()},
        audited=int(row["audited"]),
        inclusion_min=float(row["inclusion_min"]),
        corrections=corrections,
        answered=answered,
        audit_hits=int(sums.get("audit_hits", 0)),
        answered_reviewable=int(sums.get("rows", 0)),
        answered_right=int(sums.get("found_right", 0)),
        accuracy_total=float(row["total"]) + float(sums.get("weighted", 0.0)),
        accuracy_variance=float(sums.get("variance", 0.0)),
        accuracy_lost=max(0.0, float(row["drawn_right"]) - float(sums.get("answered_right", 0.0))),
        accuracy_gained=max(0.0, float(row["drawn_wrong"]) - float(sums.get("answered_wrong", 0.0))),
        accuracy_open_variance=max(0.0, float(row["drawn_variance"]) - float(sums.get("answered_variance", 0.0))),
    )
