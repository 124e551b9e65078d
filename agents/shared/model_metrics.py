"""Numbers of single models on /metrics: of as many models as have a place, whatever names producers send.

The counters and gauges of ``prometheus_client`` keep every label that they were ever given, for good where several
processes share a folder. These are of one process, that of the role which counts them.
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
    """A number for each model, and each value of the labels ``more``, of which there are few.

    Where there are more models than ``places``, what was told of one longest ago goes; a counter begins anew when its
    model comes again.

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
        """For how many models there are numbers, beside the configured ones; before the first number."""
        self._places = places

    def forget(self, model: str) -> None:
        """The model has lost its place: its numbers end."""
        with self._lock:
            self._of_model.pop(model, None)

    def clear(self) -> None:
        """The numbers of all models end."""
        with self._lock:
            self._of_model.clear()

    def collect(self) -> Iterator[Family]:
        """One family with a sample for each model and its other labels, as ``prometheus_client`` asks for it."""
        shown = self.family(self._name, self._documentation, labels=self._labelnames)
        with self._lock:
            for model, values in self._of_model.items():
                for more, value in values.items():
                    shown.add_metric((model, *more), value)
        yield shown

    def _numbers(self, model: str) -> dict[tuple[str, ...], float]:
        """Those of a model, which from now on is the one told of last. For whoever holds the lock."""
        numbers = self._of_model.get(model, {})
        self._places.keep(self._of_model, model, numbers)
        return numbers


class ModelCounter(ModelMetric):
    """A count for each model, from 0 at the worker's start, or when the model comes again."""

    family = CounterMetricFamily

    def inc(self, model: str, *more: str) -> None:
        """Count one more of a model, under these values of the labels ``more``."""
        with self._lock:
            numbers = self._numbers(model)
            numbers[more] = numbers.get(more, 0.0) + 1.0


class ModelGauge(ModelMetric):
    """A value for each model, the one that was set last."""

    family = GaugeMetricFamily

    def set(self, value: float, model: str, *more: str) -> None:
        """Set a model's value, in the metric's unit, under these values of the labels ``more``."""
        with self._lock:
            self._numbers(model)[more] = value
