"""The numbers behind an alert, in words."""

from __future__ import annotations

from review.console.wording import number
from schemas.alert import Alert

__all__ = ["evidence_lines"]

WORDS = {
    "reference_mean": "mean in the reference: {}",
    "mean_reference": "mean in the reference: {}",
    "window_mean": "mean now: {}",
    "mean_window": "mean now: {}",
    "mean": "mean now: {}",
    "shift_sd": "shifted by {} standard deviations",
    "shift": "shifted by {} standard deviations",
    "psi": "population stability index {} (0.1 is a moderate, 0.25 a large change)",
    "p_value": "probability of so large a change by chance alone: {}",
    "missing_share": "share of missing values: {}",
    "events": "events compared: {}",
    "window_events": "events in the window: {}",
}


def evidence_lines(alert: Alert) -> list[str]:
    """A line for each number; one that has no words here keeps its name."""
    return [
        WORDS[name].format(number(value)) if name in WORDS else f"{name.replace('_', ' ')}: {number(value)}"
        for name, value in alert.evidence.items()
    ]
