"""Answers of people and late labels in a backtest: the true label, which arrives some events after its prediction."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from review.agreement import correction_of, settle
from review.settings import QueueSettings
from review.task_life import lane_settings
from schemas.wire.correction import Correction, id_of_label
from schemas.wire.opinion import Opinion
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.wire.task import Task

__all__ = ["Answers"]


class Answers:
    """Answers of people and late labels that will arrive; nothing else turns a true label into a correction.

    What is about event n arrives when n + 1 + delay events have been replayed: first what is due earlier, then what is
    about earlier events. At most as many wait as the longer delay has events. ``late_labels_events`` None: no label
    arrives unless a person was asked.
    """

    def __init__(self, queue: QueueSettings, *, label_delay_events: int, late_labels_events: int | None) -> None:
        self._queue = queue
        self._delay = label_delay_events
        self._late = late_labels_events
        self._asked: deque[tuple[int, Task, str]] = deque()
        self._labels: deque[tuple[int, Prediction, str]] = deque()

    def ask(self, number: int, task: Task, label: str) -> None:
        """A person sees event ``number`` and will answer ``label``."""
        self._asked.append((number + 1 + self._delay, task, label))

    def expect(self, number: int, prediction: Prediction, label: str) -> None:
        """The label of event ``number`` will arrive late, if late labels arrive at all."""
        if self._late is not None:
            self._labels.append((number + 1 + self._late, prediction, label))

    def due(self, replayed: int, now_ms: int) -> Iterator[Correction]:
        """The corrections that are due when ``replayed`` events have been replayed; each is returned once."""
        while True:
            asked = self._asked[0][0] if self._asked else None
            late = self._labels[0][0] if self._labels else None
            first = min((due for due in (asked, late) if due is not None), default=None)
            if first is None or first > replayed:
                return
            if first == asked:
                _, task, label = self._asked.popleft()
                yield self._settled(task, label, now_ms)
            else:
                _, prediction, label = self._labels.popleft()
                yield late_label(prediction, label, now_ms)

    def _settled(self, task: Task, label: str, now_ms: int) -> Correction:
        """The correction of a task that as many people as its lane needs have answered with the true label."""
        needed = lane_settings(self._queue, task.lane).opinions_needed
        opinions = [
            Opinion(
                opinion_id=f"{task.task_id}/{number}",
                task_id=task.task_id,
                model=task.model,
                person=f"reviewer {number}",
                answer=label,
                time=now_ms,
            )
            for number in range(needed)
        ]
        outcome = settle(opinions, opinions_needed=needed, adjudication_rounds_max=self._queue.adjudication_rounds_max)
        correction = correction_of(task, outcome.answer, source=outcome.source, reliability=1.0, created_at=now_ms)
        assert correction is not None, "a task about a prediction, answered with a label"
        return correction


def late_label(prediction: Prediction, label: str, now_ms: int) -> Correction:
    """The correction by a late label. Every prediction has one, so that its inclusion probability is 1."""
    return Correction(
        correction_id=id_of_label(prediction.model, prediction.event_id),
        model=prediction.model,
        model_version=prediction.model_version,
        event_id=prediction.event_id,
        time=epoch_ms(prediction.time),
        created_at=now_ms,
        label=label,
        source="label",
        features=prediction.features,
        prediction=label_text(prediction.prediction),
        confidence=confidence_of(prediction),
        probabilities=prediction.probabilities,
        slices=prediction.slices,
        inclusion_probability=1.0,
        learn=prediction.consent.learn,
    )
