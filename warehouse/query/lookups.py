"""What roles look up by id or by model: tasks, predictions, labels, reports; ``ask`` is ``Warehouse.query``.

Times in answers are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from warehouse.errors import QuestionTooLarge, WarehouseError

__all__ = [
    "IDS_MAX",
    "Ask",
    "archived_tasks",
    "asked_in_parts",
    "labels_said",
    "predictions_of",
    "renamed",
    "report_html",
]

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""``Warehouse.query``: a statement and its parameters to rows, each column to value."""

IDS_MAX: Final = 5_000
"""Ids in one question; ``asked_in_parts`` divides more."""

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one answer of ``predictions_of``, uncompressed, as ClickHouse counts them; beyond it QuestionTooLarge."""

SAID_ROWS_MAX: Final = 5_000
"""Newest predictions of a model whose labels are collected."""


def report_html(ask: Ask, report_id: str) -> str | None:
    """The page of an Evidently report, or None."""
    rows = ask(
        "SELECT html FROM reports WHERE report_id = {report_id:String} ORDER BY created_at DESC LIMIT 1",
        {"report_id": report_id},
    )
    return str(rows[0]["html"]) if rows else None


def archived_tasks(ask: Ask, task_ids: Sequence[str]) -> dict[str, int]:
    """Those of the tasks that are stored as settled or expired, to their last revision."""
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

    Of predictions with the same id the one that was judged counts: the first with the time of the verdict.

    Columns: event_id, model_version, time (epoch milliseconds), features, features_integer, features_text, prediction,
    confidence, probabilities, slices, consent_learn, learned_prediction, learned_version, held_bytes (of its maps).
    Producers decide how large predictions are: raises QuestionTooLarge if these are too large for one answer.
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
    return [renamed(row, time_ms="time") for row in rows]


def asked_in_parts(
    ask: Callable[[Sequence[str]], list[dict[str, Any]]], ids: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[dict[str, Any]] | QuestionTooLarge]]:
    """Ids in order, as many at once as ClickHouse can answer, each part with the answer of ``ask``.

    A question that is too large is halved; after an answer the next question may be twice as large. If one id alone is
    too large, the error stands in place of its answer.

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

    If these are too large for one answer, half as many predictions are asked for, and so on.
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


def _bounded(ids: Sequence[str]) -> list[str]:
    if len(ids) > IDS_MAX:
        raise WarehouseError(f"{len(ids)} ids in one question to ClickHouse, at most {IDS_MAX}: ask in parts")
    return list(ids)


def renamed(row: dict[str, Any], **names: str) -> dict[str, Any]:
    """The row with other names for some columns.

    >>> renamed({"time_ms": 7, "model": "m"}, time_ms="time")
    {'time': 7, 'model': 'm'}
    """
    return {names.get(name, name): value for name, value in row.items()}
