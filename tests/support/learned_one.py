"""Answers of learned models about one event, and keyrings of given keys; the program itself has batches and folders."""

from __future__ import annotations

from collections.abc import Mapping

from learning.members.batch import Production
from learning.members.features import one_row
from learning.serving import ServingModel
from learning.snapshots.signing import Keyring, SigningKey
from learning.stack import Stack, probabilities_of
from schemas.wire.base import Scalar


def probabilities_of_one(stack: Stack, features: Mapping[str, Scalar], production: Production) -> dict[str, float]:
    """The probability of each label, by what the stack has learned so far."""
    row = stack.freeze().answer(one_row(features), [production]).probabilities[0]
    return probabilities_of(row, {label: number for number, label in enumerate(stack.labels)}, production)


def error_probability(serving: ServingModel | None, features: Mapping[str, Scalar], said: str, sure: float) -> float:
    """The chance that the producer's answer is wrong."""
    assert serving is not None
    answer = serving.stack.answer(one_row(features), [Production(said, sure)])
    return float(serving.stack.error_probabilities(answer)[0])


def keyring_of(*keys: SigningKey) -> Keyring:
    """The public halves of some keys."""
    return Keyring({key.key_id: key.public_bytes for key in keys})
