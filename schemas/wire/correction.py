"""Correction: the settled answer of a task, or a late label, with what learning needs."""

from __future__ import annotations

import hashlib
from typing import Literal

from schemas.wire.base import NAME_CHARS_MAX, EpochMs, Id, Name, Probability, Scalar, Wire

__all__ = ["Correction", "id_of_label"]


class Correction(Wire, frozen=True, kw_only=True):
    """The true answer to one prediction, as far as it is known.

    ``inclusion_probability`` is the chance with which the answer was asked for; a late label has 1. ``reliability`` is
    the probability that the settled answer is right, given who gave it. ``learn`` is the producer's consent.

    ``audit_probability`` is the chance with which the audit sample drew the event, 0 where it did not. The gate looks
    at those draws alone, and at what was answered when the prediction came: ``learned_prediction`` by the learned model
    in charge, ``challenger_prediction`` by the one that wants to be.
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
    challenger_prediction: Name = ""
    challenger_version: Name = ""
    audit_probability: Probability = 0.0


def id_of_label(model: str, event_id: str) -> str:
    """The id of the correction that late labels of an event lead to; long names are replaced by their hash.

    >>> id_of_label("credit", "e-17")
    'label/credit/e-17'
    """
    plain_id = f"label/{model}/{event_id}"
    return plain_id if len(plain_id) <= NAME_CHARS_MAX else f"label/{hashlib.sha256(plain_id.encode()).hexdigest()}"
