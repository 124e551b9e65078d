"""Every member of the stack passes the same battery."""

from __future__ import annotations

import pickle
from typing import get_args

import numpy as np
import pytest

from learning.members.batch import Batch, Production, RecentLabels, production_matrix
from learning.members.features import Encoder
from learning.members.member import Member
from learning.members.recipes import RECIPES, member_of
from learning.settings import LearnSettings, MemberName
from schemas.columns.prediction_columns import features_of_rows

SETTINGS = LearnSettings(window_corrections_max=200, refresh_corrections=10)
LABELS = {"a": 0, "b": 1, "c": 2}
STEPS = 160


class Stream:
    """Events whose label follows from x, with a string feature, and a producer who is right for two labels of three."""

    def __init__(self, seed: int = 0) -> None:
        self.encoder = Encoder(SETTINGS)
        self.recent = RecentLabels(SETTINGS.refresh_corrections)
        self.generator = np.random.default_rng(seed)

    def event(self) -> tuple[dict[str, float | str | bool | None], Production, int]:
        x, y = self.generator.normal(size=2).tolist()
        label = 0 if x < -0.3 else 1 if x < 0.6 else 2
        return {"x": x, "y": y, "kind": "high" if y > 0 else "low"}, Production("ab"[min(label, 1)], 0.7), label

    def batch(self, features, productions, labels: dict[str, int] = LABELS) -> Batch:
        columns = {name: column.values for name, column in features_of_rows(features).items()}
        return Batch(
            self.encoder.encode(columns, len(features)),
            production_matrix(productions, labels),
            self.recent.as_served(len(labels)),
        )

    def teach(self, member: Member, steps: int = STEPS, labels: dict[str, int] = LABELS) -> None:
        for _ in range(steps):
            features, production, label = self.event()
            label = min(label, len(labels) - 1)
            self.encoder.learn_one(features)
            member.learn_one(self.batch([features], [production], labels), label, 1.0)
            self.recent.learn_one(label)


@pytest.fixture(params=sorted(RECIPES))
def member(request: pytest.FixtureRequest) -> Member:
    """Each member in turn, new."""
    return member_of(request.param, SETTINGS)


def is_distribution(matrix: np.ndarray) -> bool:
    return bool(np.isfinite(matrix).all() and (matrix >= 0).all() and np.allclose(matrix.sum(axis=-1), 1.0))


def some(stream: Stream, count: int = 50) -> Batch:
    events = [stream.event() for _ in range(count)]
    return stream.batch([features for features, _, _ in events], [production for _, production, _ in events])


def test_new_member_answers_with_a_distribution(member: Member) -> None:
    """Before it has learned anything a member gives probabilities all the same."""
    stream = Stream()
    batch = some(stream, 5)
    assert is_distribution(member.freeze().predict(batch))
    assert is_distribution(member.predict_one(some(stream, 1)))


def test_probabilities_sum_to_one(member: Member) -> None:
    """Rows are distributions over the labels."""
    stream = Stream()
    stream.teach(member)
    batch = some(stream)
    matrix = member.freeze().predict(batch)
    assert matrix.shape == (50, len(LABELS) + 1)
    assert is_distribution(matrix)


def test_frozen_member_gives_the_same_numbers_as_the_live_one(member: Member) -> None:
    """A live member and its frozen copy give the same probabilities, event by event and in one batch."""
    stream = Stream()
    stream.teach(member)
    batch = some(stream)
    bulk = member.freeze().predict(batch)
    for row in range(len(batch)):
        single = Batch(batch.features[row : row + 1], batch.production[row : row + 1], batch.recent)
        np.testing.assert_allclose(member.predict_one(single), bulk[row], atol=1e-9)


def test_frozen_member_does_not_move(member: Member) -> None:
    """A frozen copy does not change when its member learns."""
    stream = Stream()
    stream.teach(member)
    batch = some(stream)
    frozen = member.freeze()
    before = frozen.predict(batch).copy()
    stream.teach(member, 60)
    np.testing.assert_array_equal(frozen.predict(batch), before)


def test_round_trip_keeps_predictions_and_goes_on_the_same(member: Member) -> None:
    """A member that was pickled and restored, frozen or live, answers and learns as the original does."""
    stream = Stream()
    stream.teach(member)
    batch = some(stream)
    frozen = pickle.loads(pickle.dumps(member.freeze()))
    np.testing.assert_array_equal(frozen.predict(batch), member.freeze().predict(batch))
    restored, other = pickle.loads(pickle.dumps((member, stream)))
    stream.teach(member, 120)
    other.teach(restored, 120)
    np.testing.assert_array_equal(restored.freeze().predict(batch), member.freeze().predict(batch))


def test_label_that_comes_later(member: Member) -> None:
    """A member learns a new label, and gives a distribution before and after it."""
    stream = Stream()
    stream.teach(member, 60, {"a": 0, "b": 1})
    batch = some(stream)
    assert is_distribution(member.freeze().predict(batch))
    stream.teach(member, 100)
    matrix = member.freeze().predict(some(stream))
    assert is_distribution(matrix)


def test_missing_feature_and_new_category(member: Member) -> None:
    """Events with missing features or new categories are answered and learned."""
    stream = Stream()
    stream.teach(member)
    odd = [{"x": None, "kind": "never seen"}, {"y": float("nan")}, {}, {"x": "text", "new": 3, "z": True}]
    batch = stream.batch(odd, [Production("a", 0.5)] * len(odd))
    assert is_distribution(member.freeze().predict(batch))
    for features in odd:
        stream.encoder.learn_one(features)
        member.learn_one(stream.batch([features], [Production("a", 0.5)]), 1, 5.0)
    stream.teach(member, 60)
    assert is_distribution(member.freeze().predict(some(stream)))


def test_producer_with_an_unknown_label(member: Member) -> None:
    """A production model's answer that is no known label does not prevent a distribution."""
    stream = Stream()
    stream.teach(member)
    batch = stream.batch([stream.event()[0]], [Production("unheard of", 0.9)])
    assert is_distribution(member.freeze().predict(batch))


def test_growth_is_bounded(member: Member) -> None:
    """On a steady stream the frozen copy of a member does not grow with every correction."""
    stream = Stream()
    stream.teach(member, 400)
    size = len(pickle.dumps(member.freeze()))
    stream.teach(member, 400)
    assert len(pickle.dumps(member.freeze())) < 3 * size + 20_000


def test_settings_name_the_members_that_there_are() -> None:
    """The names that the settings allow are those of the members that exist."""
    assert set(get_args(MemberName)) == set(RECIPES)
