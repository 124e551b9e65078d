"""Prediction: what a service that runs a model sends to watchloop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from schemas.probability import SUM_WORDS, sums_to_one
from schemas.texts.labels import composed, composed_names, label_problem
from schemas.wire.base import EpochMs, Id, Name, Probability, Scalar, Wire

__all__ = [
    "CONSENT_GIVEN",
    "CONTENT_CHARS_MAX",
    "FEATURES_MAX",
    "LABELS_MAX",
    "SLICES_MAX",
    "Consent",
    "Prediction",
    "confidence_of",
    "epoch_ms",
    "label_text",
    "probabilities_problem",
    "problem_of",
]

FEATURES_MAX = 1_000
LABELS_MAX = 1_000
CONTENT_CHARS_MAX = 100_000
SLICES_MAX = 50


class Consent(Wire, frozen=True, kw_only=True):
    """What may be done with an event: shown to people, learned from."""

    review: bool = True
    learn: bool = True


CONSENT_GIVEN = Consent()


class Prediction(Wire, frozen=True):  # not kw_only: where many are made at once, position is twice as fast
    """One answer of one model.

    ``time`` is when the model was asked: RFC 3339 with an offset, or epoch milliseconds. Either ``confidence`` (the
    model's probability that ``prediction`` is right) or ``probabilities`` (label to probability, summing to one) is
    needed. ``content`` is what a reviewer should see beside the features: a text, or the URL of an image.
    """

    event_id: Id
    model: Id
    time: Annotated[datetime, Meta(tz=True)] | EpochMs
    features: Annotated[dict[Id, Scalar], Meta(max_length=FEATURES_MAX)]
    prediction: Name | int | bool
    model_version: Name = ""
    confidence: Probability | None = None
    probabilities: Annotated[dict[Name, Probability], Meta(min_length=1, max_length=LABELS_MAX)] | None = None
    slices: Annotated[dict[Id, Name], Meta(max_length=SLICES_MAX)] = {}
    risk: Probability | None = None
    subject: Name | None = None
    consent: Consent = CONSENT_GIVEN
    content: Annotated[str, Meta(max_length=CONTENT_CHARS_MAX)] | None = None
    producer: Name = ""


def label_text(label: str | int | bool) -> str:
    """A label as text; booleans as JSON spells them.

    >>> label_text("spam"), label_text(3), label_text(True)
    ('spam', '3', 'true')
    """
    if isinstance(label, str):
        return label
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label)


def epoch_ms(time: datetime | int) -> int:
    """A time of the wire in epoch milliseconds.

    >>> epoch_ms(datetime.fromisoformat("1970-01-01T00:00:01.5+00:00")), epoch_ms(7)
    (1500, 7)
    """
    return time if isinstance(time, int) else round(time.timestamp() * 1000)


def confidence_of(prediction: Prediction) -> float:
    """The model's own probability that its answer is right; needs a confidence or the answer among probabilities."""
    if prediction.confidence is not None:
        return prediction.confidence
    assert prediction.probabilities is not None
    return prediction.probabilities[label_text(prediction.prediction)]


def problem_of(prediction: Prediction) -> str | None:
    """What is wrong with fields that depend on each other, or None; the text names the field."""
    label, probabilities = composed(label_text(prediction.prediction)), prediction.probabilities
    wrong = label_problem(label)
    if wrong is not None:
        return f"{wrong} - at `$.prediction`"
    if probabilities is None:
        if prediction.confidence is None:
            return "missing; give `confidence` in [0, 1] or `probabilities` {label: p} - at `$.confidence`"
        return None
    return _names_problem(probabilities) or probabilities_problem(label, composed_names(probabilities))


def _names_problem(probabilities: Mapping[str, float]) -> str | None:
    """What is wrong with the labels of probabilities, or None."""
    name_of: dict[str, str] = {}
    for name in probabilities:
        wrong = label_problem(name)
        if wrong is not None:
            return f"{wrong} - at `$.probabilities`"
        first = name_of.setdefault(composed(name), name)
        if first is not name:
            return f"{first!a} and {name!a} are the same label in Unicode's NFC - at `$.probabilities`"
    return None


def probabilities_problem(label: str, probabilities: Mapping[str, float]) -> str | None:
    """What is wrong with probabilities of which ``label`` was predicted, or None."""
    if label not in probabilities:
        shown = ", ".join(f"{name[:40]!r}" for name in list(probabilities)[:6]) + (
            ", …" if len(probabilities) > 6 else ""
        )
        return f"no entry for the predicted label {label!r}; expected it among {shown} - at `$.probabilities`"
    total = sum(probabilities.values())
    if not sums_to_one(total):
        return f"sum to {total:.4g}, expected {SUM_WORDS} - at `$.probabilities`"
    return None
