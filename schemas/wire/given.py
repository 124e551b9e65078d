"""What producers may write: predictions and labels before nulls and roundings are interpreted.

Serializers write null for a field that is not set. Here every field that may be left out may be null as well, and a
probability may be rounded out of [0, 1]. ``prediction_of`` and ``label_of`` make the Structs that the program works
with, with labels in Unicode's NFC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.probability import GivenProbability, bounded
from schemas.texts.labels import composed, composed_names
from schemas.wire.base import EpochMs, Id, Name, Scalar
from schemas.wire.label import Label
from schemas.wire.prediction import (
    CONSENT_GIVEN,
    CONTENT_CHARS_MAX,
    FEATURES_MAX,
    LABELS_MAX,
    SLICES_MAX,
    Consent,
    Prediction,
)

__all__ = [
    "GIVEN_CONSENT",
    "GivenConsent",
    "GivenLabel",
    "GivenPrediction",
    "consent_of",
    "known_probabilities",
    "known_texts",
    "label_of",
    "prediction_of",
]


class GivenConsent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What may be done with an event; null stands for true, the default."""

    review: bool | None = True
    learn: bool | None = True


GIVEN_CONSENT = GivenConsent()


class GivenPrediction(msgspec.Struct, frozen=True):
    """A Prediction as a producer may write it; the fields mean what Prediction's do, in the same order.

    Null means absent, in ``slices``, ``probabilities`` and ``consent`` too. A confidence, a risk or a probability up
    to 1.02 is taken as 1, down to -0.0001 as 0.
    """

    event_id: Id
    model: Id
    time: Annotated[datetime, Meta(tz=True)] | EpochMs
    features: Annotated[dict[Id, Scalar], Meta(max_length=FEATURES_MAX)]
    prediction: Name | int | bool
    model_version: Name | None = ""
    confidence: GivenProbability | None = None
    probabilities: Annotated[dict[Name, GivenProbability | None], Meta(min_length=1, max_length=LABELS_MAX)] | None = (
        None
    )
    slices: Annotated[dict[Id, Name | None], Meta(max_length=SLICES_MAX)] | None = {}
    risk: GivenProbability | None = None
    subject: Name | None = None
    consent: GivenConsent | None = GIVEN_CONSENT
    content: Annotated[str, Meta(max_length=CONTENT_CHARS_MAX)] | None = None
    producer: Name | None = ""


class GivenLabel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Label as a producer may write it; null means absent."""

    event_id: Id
    model: Id
    label: Name | int | bool
    time: Annotated[datetime, Meta(tz=True)] | EpochMs
    purpose: Literal["learn", "score"] | None = "learn"
    source: Name | None = ""


def prediction_of(given: GivenPrediction, producer: str = "") -> Prediction:
    """The Prediction that a producer meant; ``producer`` is used if it names none."""
    return Prediction(
        given.event_id,
        given.model,
        given.time,
        given.features,
        _one_form(given.prediction),
        given.model_version or "",
        _bounded(given.confidence),
        known_probabilities(given.probabilities and composed_names(given.probabilities)),
        known_texts(given.slices),
        _bounded(given.risk),
        given.subject,
        consent_of(given.consent),
        given.content,
        producer if given.producer is None else given.producer,
    )


def label_of(given: GivenLabel) -> Label:
    """The Label that a producer meant; its purpose is ``learn`` unless it says otherwise."""
    return Label(
        event_id=given.event_id,
        model=given.model,
        label=_one_form(given.label),
        time=given.time,
        purpose=given.purpose or "learn",
        source=given.source or "",
    )


def consent_of(given: GivenConsent | None) -> Consent:
    """The consent; what is missing or null counts as given."""
    if given is None or given == GIVEN_CONSENT:
        return CONSENT_GIVEN
    return Consent(review=given.review is not False, learn=given.learn is not False)


def known_probabilities(given: dict[str, float | None] | None) -> dict[str, float] | None:
    """Probabilities without nulls, each in [0, 1]; None if none is left. Returns ``given`` itself if nothing changes.

    >>> known_probabilities({"a": 1.0000001, "b": None})
    {'a': 1.0}
    """
    if not given:
        return None
    values = given.values()
    if None not in values and max(values) <= 1.0 and min(values) >= 0.0:  # type: ignore[type-var, operator]
        return given  # type: ignore[return-value]
    return {label: bounded(probability) for label, probability in given.items() if probability is not None} or None


def known_texts(given: Mapping[str, str | None] | None) -> dict[str, str]:
    """Texts by name, without nulls. Returns ``given`` itself if nothing changes."""
    if not given:
        return {}
    if None in given.values():
        return {name: value for name, value in given.items() if value is not None}
    return given  # type: ignore[return-value]


def _one_form(label: str | int | bool) -> str | int | bool:
    return composed(label) if isinstance(label, str) else label


def _bounded(given: float | None) -> float | None:
    return None if given is None else bounded(given)
