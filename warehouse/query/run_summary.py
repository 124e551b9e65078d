"""What a run did, for people: counts, accuracies, alerts and versions; ``ask`` is ``Warehouse.query``.

An empty ``model`` means all models. Times in answers are epoch milliseconds.
"""

from __future__ import annotations

from typing import Final

import msgspec

from warehouse.query.first_verdicts import FirstVerdicts
from warehouse.query.lookups import Ask, renamed

__all__ = [
    "Accuracies",
    "AlertLine",
    "RunSummary",
    "VersionLine",
    "accuracies",
    "is_answered",
    "recent_alerts",
    "run_summary",
    "versions",
]

MODEL: Final = "({model:String} = '' OR model = {model:String})"


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in its present state.

    ``raised_at`` and ``told_at`` are the clock's: when it began to fire, and when its present state was published.
    ``fired_at`` is when it fired in the stream. A time is 0 if it is unknown; the error rate has no time in the stream.
    """

    alert_id: str
    model: str
    signal: str
    detector: str
    severity: str
    state: str
    raised_at: int
    told_at: int
    fired_at: int
    fired_at_event: int
    changed_by: str
    report_id: str
    report_problem: str
    note: str


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was put in charge; ``created_at`` is the clock's."""

    model: str
    version: str
    recipe: str
    corrections: int
    created_at: int
    reason: str


class Accuracies(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the events with a late label that were answered right; None where no event has one.

    ``frozen``: the production model. ``learned``: the learned model where one was in charge, else production.
    ``after_review``: what people settled on where they did, else production.
    """

    labelled: int
    frozen: float | None
    learned: float | None
    after_review: float | None


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, for the summary at its end."""

    events: int
    verdicts: dict[str, int]
    rejects: int
    alerts: list[AlertLine]
    tasks_answered: int
    corrections: dict[str, int]
    versions: list[VersionLine]
    accuracies: Accuracies


def run_summary(ask: Ask, model: str = "") -> RunSummary:
    """What a run did with a model's events, or with all models' (empty), as far as RECORD has stored it."""
    answered = _count(ask, "(SELECT * FROM tasks_now WHERE state = 'settled')", model)
    return RunSummary(
        events=_count(ask, "predictions", model),
        verdicts=_decisions(ask, model),
        rejects=int(ask("SELECT sum(elements) AS rows FROM rejects", {})[0]["rows"]),
        alerts=recent_alerts(ask, model, limit=1_000)[::-1],
        tasks_answered=answered,
        corrections=_count_by(ask, "source", "corrections", model),
        versions=versions(ask, model),
        accuracies=accuracies(ask, model),
    )


def is_answered(ask: Ask, model: str) -> bool:
    """Whether the tasks of all verdicts are stored, none is open, and each settled one has its correction.

    Each table is filled at its own pace, so a task that is not stored yet does not count as answered.
    """
    row = ask(
        """
        SELECT count() AS tasks, countIf(state = 'open') AS open, countIf(state = 'settled') AS settled,
            (SELECT uniqExact(task_id) FROM verdicts WHERE model = {model:String} AND task_id != '') AS wanted,
            (SELECT uniqExact(correction_id) FROM corrections WHERE model = {model:String}) AS corrected
        FROM tasks_now WHERE lane != 'alert' AND model = {model:String}
        """,
        {"model": model},
    )[0]
    return bool(row["tasks"] >= row["wanted"] and not row["open"] and row["corrected"] >= row["settled"])


def accuracies(ask: Ask, model: str = "") -> Accuracies:
    """Three accuracies over the judged events that have a label in ``labels``, learned from or not."""
    row = ask(
        """
        SELECT
            count() AS labelled,
            countIf(o.prediction = l.label) AS frozen,
            countIf(ifNull(o.learned_prediction, o.prediction) = l.label) AS learned,
            countIf(ifNull(o.answer, o.prediction) = l.label) AS after_review
        FROM (SELECT model, event_id, label FROM labels_now WHERE MODEL) AS l
        INNER ANY JOIN
        (
            SELECT model, event_id, prediction, learned_prediction, label AS answer FROM review_outcomes WHERE MODEL
        ) AS o ON o.model = l.model AND o.event_id = l.event_id
        """.replace("MODEL", MODEL),
        {"model": model},
    )[0]
    labelled = int(row["labelled"])

    def share(name: str) -> float | None:
        return int(row[name]) / labelled if labelled else None

    return Accuracies(
        labelled=labelled, frozen=share("frozen"), learned=share("learned"), after_review=share("after_review")
    )


def recent_alerts(ask: Ask, model: str = "", *, limit: int = 50) -> list[AlertLine]:
    """Alerts in their present state, the one that fired last by the clock first, as on the page of alerts."""
    rows = ask(
        """
        SELECT alert_id, model, signal, detector, severity, state, fired_at_event, changed_by, report_id,
            report_problem, note, ifNull(toUnixTimestamp64Milli(fired_at), 0) AS fired_ms,
            ifNull(toUnixTimestamp64Milli(raised_at), 0) AS raised_ms,
            ifNull(toUnixTimestamp64Milli(told_at), 0) AS told_ms
        FROM alerts_now WHERE MODEL
        ORDER BY raised_ms DESC, fired_ms DESC, fired_at_event DESC, alert_id LIMIT {limit:UInt32}
        """.replace("MODEL", MODEL),
        {"model": model, "limit": limit},
    )
    names = {"fired_ms": "fired_at", "raised_ms": "raised_at", "told_ms": "told_at"}
    return [msgspec.convert(renamed(row, **names), AlertLine) for row in rows]


def versions(ask: Ask, model: str = "") -> list[VersionLine]:
    """Every version that was put in charge, in order."""
    rows = ask(
        """
        SELECT model, version, recipe, corrections, toUnixTimestamp64Milli(created_at) AS created_ms, reason
        FROM models WHERE recipe != 'candidate' AND MODEL ORDER BY created_at, _stored_at, _offset LIMIT 10000
        """.replace("MODEL", MODEL),
        {"model": model},
    )
    return [msgspec.convert(renamed(row, created_ms="created_at"), VersionLine) for row in rows]


def _decisions(ask: Ask, model: str) -> dict[str, int]:
    """How many events were decided how, by their first verdicts."""
    rows = [row for row in FirstVerdicts().of_models(ask) if model in ("", row["model"])]
    names = {"accept": "accepted", "escalate": "escalated", "review": "reviewed"}
    counts = {name: sum(int(row[column]) for row in rows) for name, column in names.items()}
    return {name: count for name, count in counts.items() if count}


def _count(ask: Ask, table: str, model: str) -> int:
    return int(ask(f"SELECT count() AS rows FROM {table} WHERE {MODEL}", {"model": model})[0]["rows"])  # noqa: S608


def _count_by(ask: Ask, column: str, source: str, model: str) -> dict[str, int]:
    sql = f"SELECT {column} AS name, count() AS rows FROM {source} WHERE {MODEL} GROUP BY name ORDER BY name"  # noqa: S608
    return {str(row["name"]): int(row["rows"]) for row in ask(sql, {"model": model})}
