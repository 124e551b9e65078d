"""INTAKE's handler without Kafka, with the settings of an installation that says nothing of its own."""

from __future__ import annotations

from agents.intake.judge import Judge, JudgeSettings
from agents.intake.prediction_handler import PredictionHandler
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from streams.predictions.prediction_reader import PredictionReader

__all__ = ["plain_intake"]


def plain_intake(reader: PredictionReader, now_ms: int) -> PredictionHandler:
    """A handler of what ``reader`` reads, at the time ``now_ms``; no reference, and no learned model."""
    judge = Judge(
        JudgeSettings(
            triage=lambda model: TriageSettings(),
            labels=lambda model: (),
            drift=DriftSettings(),
            queue=QueueSettings(),
        ),
        reference_of=lambda model: None,
        serving_of=lambda model: None,
    )
    return PredictionHandler(reader, judge, elements_max=100_000, clock=lambda: now_ms / 1000)
