"""Correction: the settled answer of a task, or a late label, with what learning needs."""

from __future__ import annotations

import hashlib
from typing import Literal

from schemas.wire import EpochMs, Id, Name, Probability, Scalar, Wire

__all__ = ["Correction", "id_of_label"]

ID_CHARS_MAX = 200


class Correction(Wire, frozen=True, kw_only=True):
    """The true answer to one prediction, as far as the loop knows.

    ``inclusion_probability`` is the chance with which the answer was asked for; a late label has 1. ``reliability`` is
    the probability that the settled answer is right, given who gave it. ``learn`` is the producer's consent.
    """

    correction_id: Id
    model: Id
    model_version: Name = ""
    event_id: Id
    time: EpochMs
    created_at: EpochMs
    label: Name
    source: Literal["review", "adjudication", "label"]
    task_id: Name = ""
    features: dict[str, Scalar]
    prediction: Name
    confidence: Probability
    probabilities: dict[str, float] | None = None
    slices: dict[str, str] = {}
    inclusion_probability: Probability
    audit: bool = False
    reliability: Probability = 1.0
    learn: bool = True
    learned_prediction: Name = ""
    learned_version: Name = ""


def id_of_label(model: str, event_id: str) -> str:
    """The id of the one correction that late labels of an event lead to; of long names a hash stands for them."""
    found = f"label/{model}/{event_id}"
    return found if len(found) <= ID_CHARS_MAX else f"label/{hashlib.sha256(found.encode()).hexdigest()}"
