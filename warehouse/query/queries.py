"""The questions that the program itself asks ClickHouse; ``ask`` is ``Warehouse.query``.

``model`` empty means all models. Times in answers are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from warehouse.errors import QuestionTooLarge, WarehouseError
from warehouse.query.first_verdicts import FirstVerdicts

__all__ = [
    "IDS_MAX",
    "Accuracies",
    "AlertLine",
    "RunSummary",
    "VersionLine",
    "accuracies",
    "archived_tasks",
    "asked_in_parts",
    "is_answered",
    "labels_said",
    "predictions_of",
    "recent_alerts",
    "report_html",
    "run_summary",
    "versions",
]

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]

IDS_MAX: Final = 5_000
"""Ids in one question; more are the caller's to divide."""

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one answer of ``predictions_of``, uncompressed, as ClickHouse counts them; beyond it QuestionTooLarge."""

SAID_ROWS_MAX: Final = 5_000
"""Predictions of a model, the newest by their time, of which its labels are gathered."""

MODEL: Final = "({model:String} = '' OR model = {model:String})"


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in its present state.

    ``raised_at`` and ``told_at`` are the clock's, when it began to fire and when its present state was told;
    ``fired_at`` is when it fired in the stream. 0 where that is not known: the error rate has no place in the stream.
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

    Tables are filled each at its own pace: a task that is not stored yet is not one that is answered.
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
    return [msgspec.convert(_renamed(row, **names), AlertLine) for row in rows]


def versions(ask: Ask, model: str = "") -> list[VersionLine]:
    """Every version that was put in charge, in order."""
    rows = ask(
        """
        SELECT model, version, recipe, corrections, toUnixTimestamp64Milli(created_at) AS created_ms, reason
        FROM models WHERE recipe != 'candidate' AND MODEL ORDER BY created_at, _stored_at, _offset LIMIT 10000
        """.replace("MODEL", MODEL),
        {"model": model},
    )
    return [msgspec.convert(_renamed(row, created_ms="created_at"), VersionLine) for row in rows]


def report_html(ask: Ask, report_id: str) -> str | None:
    """The page of an Evidently report, or None."""
    rows = ask(
        "SELECT html FROM reports WHERE report_id = {report_id:String} ORDER BY created_at DESC LIMIT 1",
        {"report_id": report_id},
    )
    return str(rows[0]["html"]) if rows else None


def archived_tasks(ask: Ask, task_ids: Sequence[str]) -> dict[str, int]:
    """Of these tasks, those that are stored as settled or expired, with that revision."""
    rows = ask(
        """
        SELECT task_id, max(revision) AS last FROM tasks
        WHERE task_id IN {ids:Array(String)} AND state != 'open' GROUP BY task_id
        """,
        {"ids": _bounded(task_ids)},
    )
    return {str(row["task_id"]): int(row["last"]) for row in rows}


def predictions_of(ask: Ask, model: str, event_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Predictions of one model by event id, with what their verdict says; for labels that come late.

    Of predictions with the same id it is the one that was judged: of the verdict's time, and the first of these.

    Columns: event_id, model_version, time (epoch milliseconds), features, features_integer, features_text, prediction,
    confidence, probabilities, slices, consent_learn, learned_prediction, learned_version, held_bytes (of its maps).
    How large a prediction is producers decide: raises QuestionTooLarge where these are too large for one answer.
    """
    rows = ask(
        """
        SELECT p.event_id AS event_id, p.model_version AS model_version, toUnixTimestamp64Milli(p.time) AS time_ms,
            p.features AS features, p.features_integer AS features_integer, p.features_text AS features_text,
            p.prediction AS prediction, p.confidence AS confidence, p.probabilities AS probabilities,
            p.slices AS slices, p.consent_learn AS consent_learn,
            byteSize(p.features, p.features_integer, p.features_text, p.probabilities, p.slices) AS held_bytes,
            v.learned_prediction AS learned_prediction, v.learned_version AS learned_version
        FROM (SELECT * FROM predictions WHERE model = {model:String} AND event_id IN {ids:Array(String)}) AS p
        LEFT JOIN
        (
            SELECT event_id, time, learned_prediction, learned_version FROM verdicts
            WHERE model = {model:String} AND event_id IN {ids:Array(String)}
            ORDER BY event_id, decided_at, _stored_at, _offset, _index LIMIT 1 BY event_id
        ) AS v ON v.event_id = p.event_id
        ORDER BY p.event_id, p.time = v.time DESC, p._stored_at, p._offset, p._index
        LIMIT 1 BY event_id
        SETTINGS max_result_bytes = ANSWER_BYTES_MAX, result_overflow_mode = 'throw'
        """.replace("ANSWER_BYTES_MAX", str(ANSWER_BYTES_MAX)),
        {"model": model, "ids": _bounded(event_ids)},
    )
    return [_renamed(row, time_ms="time") for row in rows]


def asked_in_parts(
    ask: Callable[[Sequence[str]], list[dict[str, Any]]], ids: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[dict[str, Any]] | QuestionTooLarge]]:
    """Ids in order, as many at once as ClickHouse can answer, each part with the answer of ``ask``.

    A question that is too large is halved, and the next one may be twice as large as what was answered. One id alone
    that is too large has the error in place of an answer.

    >>> def ask(ids):
    ...     if len(ids) > 2:
    ...         raise QuestionTooLarge("memory")
    ...     return [{"id": id} for id in ids]
    >>> [part for part, _ in asked_in_parts(ask, "abcd")]
    ['ab', 'cd']
    """
    start, most = 0, IDS_MAX
    while start < len(ids):
        part = ids[start : start + most]
        answer: list[dict[str, Any]] | QuestionTooLarge
        try:
            answer = ask(part)
        except QuestionTooLarge as error:
            if len(part) > 1:
                most = len(part) // 2
                continue
            answer = error
        yield part, answer
        start, most = start + len(part), min(IDS_MAX, 2 * most)


def labels_said(ask: Ask, model: str) -> set[str]:
    """The labels that a model's newest predictions had as their answer or among their probabilities.

    Where these are too large for one answer, those of the newest half, and so on.
    """
    rows = SAID_ROWS_MAX
    while True:
        try:
            return _labels_of_newest(ask, model, rows)
        except QuestionTooLarge:
            if rows == 1:
                raise
            rows //= 2


def _labels_of_newest(ask: Ask, model: str, rows: int) -> set[str]:
    (row,) = ask(
        """
        SELECT groupUniqArray(prediction) AS said, groupUniqArrayArray(SAID_MAX)(mapKeys(probabilities)) AS named
        FROM
        (
            SELECT prediction, probabilities FROM predictions WHERE model = {model:String}
            ORDER BY model DESC, time DESC LIMIT {most:UInt32}
        )
        """.replace("SAID_MAX", str(SAID_ROWS_MAX)),
        {"model": model, "most": rows},
    )
    return {*row["said"], *row["named"]}


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


def _bounded(ids: Sequence[str]) -> list[str]:
    if len(ids) > IDS_MAX:
        raise WarehouseError(f"{len(ids)} ids in one question to ClickHouse, at most {IDS_MAX}: ask in parts")
    return list(ids)


def _renamed(row: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in row.items()}
