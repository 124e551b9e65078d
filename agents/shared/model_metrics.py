"""Numbers of single models on /metrics, of no more models than have a place.

The counters and gauges of ``prometheus_client`` never forget a label, and producers may send any number of names of
models. The numbers here are those of one process, which counts them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.shared.model_places import ModelPlaces

__all__ = ["ModelCounter", "ModelGauge", "ModelMetric"]

Family = CounterMetricFamily | GaugeMetricFamily


class ModelMetric(Collector):
    """A number for each model and for each value of the labels ``more``, which have few values.

    Beyond the ``places`` the numbers of the model that was set longest ago are removed. A counter then begins at 0 when
    its model comes again.

    >>> fired = ModelCounter("fired_total", "Alerts.", "severity")
    >>> fired.hold(ModelPlaces(2, {"ours"}))
    >>> for model in ("ours", "a", "b", "b", "c"):
    ...     fired.inc(model, "critical")
    >>> [(sample.labels["model"], sample.value) for family in fired.collect() for sample in family.samples]
    [('ours', 1.0), ('b', 2.0), ('c', 1.0)]
    """

    family: type[Family]

    def __init__(self, name: str, documentation: str, *more: str) -> None:
        self._name = name
        self._documentation = documentation
        self._labelnames = ("model", *more)
        self._lock = threading.Lock()
        self._places = ModelPlaces()
        self._of_model: dict[str, dict[tuple[str, ...], float]] = {}

    def hold(self, places: ModelPlaces) -> None:
        """Bound the number of models. Called before the first number."""
        self._places = places

    def forget(self, model: str) -> None:
        """Remove the numbers of a model, which has lost its place."""
        with self._lock:
            self._of_model.pop(model, None)

    def clear(self) -> None:
        """Remove the numbers of all models."""
        with self._lock:
            self._of_model.clear()

    def collect(self) -> Iterator[Family]:
        """One family, with a sample for each model and values of its other labels."""
        shown = self.family(self._name, self._documentation, labels=self._labelnames)
        with self._lock:
            for model, values in self._of_model.items():
                for more, value in values.items():
                    shown.add_metric((model, *more), value)
        yield shown

    def _numbers(self, model: str) -> dict[tuple[str, ...], float]:
        """The numbers of a model, which is from now on the one set last. The caller holds the lock."""
        numbers = self._of_model.get(model, {})
        self._places.keep(self._of_model, model, numbers)
        return numbers


class ModelCounter(ModelMetric):
    """A count for each model: from the worker's start, or from when the model came again."""

    family = CounterMetricFamily

    def inc(self, model: str, *more: str) -> None:
        """Add one to the count of a model under these values of the labels ``more``."""
        with self._lock:
            numbers = self._numbers(model)
            numbers[more] = numbers.get(more, 0.0) + 1.0


class ModelGauge(ModelMetric):
    """A value for each model: the one that was set last."""

    family = GaugeMetricFamily

    def set(self, value: float, model: str, *more: str) -> None:
        """Set a model's value, in the metric's unit, under these values of the labels ``more``."""
        with self._lock:
            self._numbers(model)[more] = value
