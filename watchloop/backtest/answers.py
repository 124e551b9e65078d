"""What comes back about predictions, and when: a person's answer is the true label, some events later."""

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
from watchloop.backtest.settings import BacktestSettings

__all__ = ["Answers"]


class Answers:
    """Answers under way. The label of a prediction is looked at only where a person, or a late label, tells it.

    An answer to event n is due once n + 1 + delay events have been replayed; answers come in the order in which they
    are due, then in that of their events. At most as many wait as the longer delay has events.
    """

    def __init__(self, settings: BacktestSettings, queue: QueueSettings) -> None:
        self._queue = queue
        self._delay = settings.label_delay_events
        self._late = settings.late_labels_events
        self._asked: deque[tuple[int, Task, str]] = deque()
        self._labels: deque[tuple[int, Prediction, str]] = deque()

    def ask(self, number: int, task: Task, label: str) -> None:
        """A person sees event ``number`` and will answer ``label``."""
        self._asked.append((number + 1 + self._delay, task, label))

    def expect(self, number: int, prediction: Prediction, label: str) -> None:
        """The label of event ``number`` will arrive late, if labels arrive at all."""
        if self._late is not None:
            self._labels.append((number + 1 + self._late, prediction, label))

    def due(self, replayed: int, now_ms: int) -> Iterator[Correction]:
        """What has come back when so many events have been replayed."""
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
        """As many people as the lane asks for say the same, and what they say is true."""
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
    """The correction that a late label makes of its prediction; nobody chose it, so its inclusion probability is 1."""
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
