"""Tasks of single predictions: what ``review.triage.new_tasks`` makes of a whole batch, made one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from review.settings import QueueSettings
from review.task_life import choices_of, due_at, priority_of, task_id_of
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.wire.task import Evidence, Lane, Task


def new_task_for(
    prediction: Prediction,
    *,
    lane: Lane,
    created_at: int,
    settings: QueueSettings,
    score: float,
    choices: Sequence[str] = (),
    learned: tuple[str, str] = ("", ""),
    **fields: Any,
) -> Task:
    """The task about one prediction; ``created_at`` in epoch milliseconds, ``score`` in [0, 1] orders its lane.

    ``choices`` are the labels that the model is known to give; those of the prediction itself are added where absent.
    ``learned`` holds the answer and the version of the learned model. ``fields`` are further fields of the Task.
    """
    return Task(
        task_id=task_id_of(prediction.model, prediction.event_id),
        lane=lane,
        model=prediction.model,
        created_at=created_at,
        due_at=due_at(created_at, settings, lane),
        priority=priority_of(lane, score),
        choices=choices_of(label_text(prediction.prediction), prediction.probabilities, choices, learned[0]),
        evidence=evidence_of(prediction, *learned),
        changed_at=created_at,
        **fields,
    )


def evidence_of(prediction: Prediction, learned_prediction: str = "", learned_version: str = "") -> Evidence:
    """What a reviewer sees of a prediction, and what learning will need of it."""
    return Evidence(
        event_id=prediction.event_id,
        time=epoch_ms(prediction.time),
        model_version=prediction.model_version,
        features=prediction.features,
        prediction=label_text(prediction.prediction),
        confidence=confidence_of(prediction),
        probabilities=prediction.probabilities,
        slices=prediction.slices,
        content=prediction.content,
        learn=prediction.consent.learn,
        learned_prediction=learned_prediction,
        learned_version=learned_version,
    )
