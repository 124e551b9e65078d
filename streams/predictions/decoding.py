"""Predictions out of JSON: as they should be where they are, else as a producer may write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from schemas.codec import UNREADABLE, MalformedError, decoder_of, decoder_of_many, reason_of
from schemas.given import GivenPrediction, prediction_of
from schemas.prediction import Prediction

__all__ = ["decoded_prediction", "prediction_in", "predictions_in", "predictions_of"]

_given: Final = msgspec.json.Decoder(GivenPrediction)
_given_many: Final = msgspec.json.Decoder(list[GivenPrediction])


def prediction_in(data: bytes, producer: str = "") -> Prediction:
    """A prediction; raises what decoders raise. ``producer`` is said of one that names none."""
    return prediction_of(_given.decode(data), producer)


def predictions_in(data: bytes) -> list[Prediction]:
    """An array of them; raises what decoders raise."""
    try:
        return decoder_of_many(Prediction).decode(data)
    except UNREADABLE:
        return list(map(prediction_of, _given_many.decode(data)))


def predictions_of(values: Sequence[bytes], *, bare: Callable[[], bool]) -> list[Prediction]:
    """One of each; raises what decoders raise.

    ``bare`` tells, when it is asked, that no headers came with these values. Headers fill in what a value lacks, and a
    null of the value's own counts as lacking: where there may be headers, the error is the caller's to handle.
    """
    try:
        return list(map(decoder_of(Prediction).decode, values))
    except UNREADABLE:
        if not bare():
            raise
        return list(map(prediction_in, values))


def decoded_prediction(data: bytes, producer: str = "") -> Prediction:
    """The same as ``prediction_in``; raises MalformedError."""
    try:
        return prediction_in(data, producer)
    except UNREADABLE as error:
        raise MalformedError(reason_of(error, data)) from error
