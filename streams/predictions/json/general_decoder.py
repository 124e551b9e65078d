"""Predictions out of JSON: as they should be where they are, else as a producer may write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import msgspec

from schemas.codec import UNREADABLE, MalformedError, decoder_of, decoder_of_many
from schemas.texts.labels import composed, composed_names
from schemas.wire.given import GivenPrediction, prediction_of
from schemas.wire.prediction import Prediction

__all__ = ["decoded_prediction", "prediction_in", "predictions_in", "predictions_of"]

_given: Final = msgspec.json.Decoder(GivenPrediction)
_given_many: Final = msgspec.json.Decoder(list[GivenPrediction])


def prediction_in(data: bytes, producer: str = "") -> Prediction:
    """A prediction; raises what decoders raise. ``producer`` is said of one that names none."""
    return prediction_of(_given.decode(data), producer)


def predictions_in(data: bytes) -> list[Prediction]:
    """An array of them; raises what decoders raise."""
    try:
        return _in_one_form(decoder_of_many(Prediction).decode(data))
    except UNREADABLE:
        return list(map(prediction_of, _given_many.decode(data)))


def predictions_of(values: Sequence[bytes], *, bare: Callable[[], bool]) -> list[Prediction]:
    """One of each; raises what decoders raise.

    ``bare`` tells, when it is asked, that no headers came with these values. Headers fill in what a value lacks, and a
    null of the value's own counts as lacking: where there may be headers, the error is the caller's to handle.
    """
    try:
        return _in_one_form(list(map(decoder_of(Prediction).decode, values)))
    except UNREADABLE:
        if not bare():
            raise
        return list(map(prediction_in, values))


def _in_one_form(events: list[Prediction]) -> list[Prediction]:
    """Predictions whose labels are ``composed``, as ``prediction_of`` has them. What is right stays itself."""
    labels: set[str | int | bool] = {event.prediction for event in events}
    labels.update(chain.from_iterable(event.probabilities for event in events if event.probabilities))
    if all(not isinstance(label, str) or composed(label) == label for label in labels):
        return events
    return [
        msgspec.structs.replace(
            event,
            prediction=composed(event.prediction) if isinstance(event.prediction, str) else event.prediction,
            probabilities=event.probabilities and composed_names(event.probabilities),
        )
        for event in events
    ]


def decoded_prediction(data: bytes, producer: str = "") -> Prediction:
    """The same as ``prediction_in``; raises MalformedError."""
    try:
        return prediction_in(data, producer)
    except UNREADABLE as error:
        raise MalformedError.of(error, data) from error
