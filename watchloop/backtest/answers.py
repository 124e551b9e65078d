"""What comes back about predictions, and when: a person's answer is the true label, some events later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from review.agreement import correction_of
from schemas.correction import Correction, id_of_label
from schemas.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.task import Task
from watchloop.backtest.settings import BacktestSettings

__all__ = ["Answers"]


class Answers:
    """Answers under way. The label of a prediction is looked at only where a person, or a late label, tells it.

    An answer to event n is due once n + 1 + delay events have been replayed; answers come in the order in which they
    are due, then in that of their events. At most as many wait as the longer delay has events.
    """

    def __init__(self, settings: BacktestSettings) -> None:
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
                correction = correction_of(task, label, source="review", reliability=1.0, created_at=now_ms)
                assert correction is not None, "a task about a prediction, answered with a label"
                yield correction
            else:
                _, prediction, label = self._labels.popleft()
                yield late_label(prediction, label, now_ms)


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
