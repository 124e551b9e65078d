"""The general decoder: predictions out of any JSON that a producer may write.

The decoder of ``Prediction`` is tried first, because it is fast; ``GivenPrediction`` accepts the other ways of writing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import msgspec

from schemas.codec import decoder_of, decoder_of_many
from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.texts.labels import composed, composed_names
from schemas.wire.given import GivenPrediction, prediction_of
from schemas.wire.prediction import Prediction

__all__ = ["decoded_prediction", "prediction_in", "predictions_in", "predictions_of"]

_given: Final = msgspec.json.Decoder(GivenPrediction)
_given_many: Final = msgspec.json.Decoder(list[GivenPrediction])


def prediction_in(data: bytes, producer: str = "") -> Prediction:
    """A prediction; raises what decoders raise. ``producer`` is its producer if it names none."""
    return prediction_of(_given.decode(data), producer)


def predictions_in(data: bytes) -> list[Prediction]:
    """The predictions of a JSON array; raises what decoders raise."""
    try:
        return _in_one_form(decoder_of_many(Prediction).decode(data))
    except UNREADABLE:
        return list(map(prediction_of, _given_many.decode(data)))


def predictions_of(values: Sequence[bytes], *, bare: Callable[[], bool]) -> list[Prediction]:
    """The prediction of each value; raises what decoders raise.

    ``bare`` returns whether none of the messages has headers; it is called only if a value is not a ``Prediction``.
    Headers give the fields that a value leaves out or sets to null, so with headers the error is left to the caller.
    """
    try:
        return _in_one_form(list(map(decoder_of(Prediction).decode, values)))
    except UNREADABLE:
        if not bare():
            raise
        return list(map(prediction_in, values))


def _in_one_form(events: list[Prediction]) -> list[Prediction]:
    """Predictions with ``composed`` labels, as ``prediction_of`` makes them; the same list if no label changes."""
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
    """The same as ``prediction_in``, but raises MalformedError."""
    try:
        return prediction_in(data, producer)
    except UNREADABLE as error:
        raise MalformedError.of(error, data) from error
