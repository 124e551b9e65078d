"""The stack leans on the members that have lately been right, and its frozen copy says the same."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from river import forest, tree

from learning.learner import Learner
from learning.members.batch import Batch, Production, production_of
from learning.members.river_trees import AdaptiveForestMember, AdaptiveTreeMember
from learning.settings import LearnSettings
from learning.stack import Stack
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Prediction
from tests.support.learned_one import error_probability, probabilities_of_one


def test_weights_follow_the_better_member(corrections) -> None:
    """Where production is always wrong its weight goes to the member that learns, and comes back when it is right."""
    stack = Stack(LearnSettings(members=("production", "adaptive_tree"), loss_decay=0.98, learning_rate=0.3))
    for correction in corrections(300):
        stack.learn_one(correction.features, production_of(correction), correction.label, 1.0)
    assert stack.weights[0] < 0.05
    for correction in corrections(300, seed=1, flip_at=10**9):
        stack.learn_one(correction.features, production_of(correction), correction.label, 1.0)
    assert stack.weights[0] > 0.5


def test_learn_one_returns_what_was_predicted_before(corrections, settings) -> None:
    """The prediction that is scored has not seen the label."""
    stack = Stack(settings)
    made = corrections(60)
    for correction in made[:-1]:
        stack.learn_one(correction.features, production_of(correction), correction.label, 1.0)
    last = made[-1]
    production = production_of(last)
    expected = probabilities_of_one(stack, last.features, production)
    assert stack.learn_one(last.features, production, last.label, 1.0) == pytest.approx(expected, abs=0.02)
    assert sum(expected.values()) == pytest.approx(1.0)


def test_labels_are_bounded() -> None:
    """A label beyond the limit is counted, not learned, and its producer is believed as far as it says."""
    stack = Stack(LearnSettings(labels_max=2, members=("production", "recalibrated", "logistic")))
    for number in range(20):
        stack.learn_one({"x": number}, Production("ab"[number % 2], 0.9), "ab"[number % 2], 1.0)
    stack.learn_one({"x": 1}, Production("c", 0.95), "c", 1.0)
    assert stack.labels == ("a", "b")
    assert stack.labels_refused == 1
    probability_of = probabilities_of_one(stack, {"x": 1}, Production("c", 0.95))
    assert set(probability_of) == {"a", "b", "c"}
    assert sum(probability_of.values()) == pytest.approx(1.0)


def test_batch_is_the_same_as_one_by_one_and_bounded(corrections, settings) -> None:
    """``many`` agrees with the single calls; events past the limit keep production's own confidence."""
    learner = Learner("m", msgspec.structs.replace(settings, scored_events_max=8))
    for correction in corrections(150):
        learner.learn(correction)
    serving = learner.serving
    assert serving is not None
    events = [
        Prediction(
            event_id=made.event_id,
            model="m",
            time=1,
            features=made.features,
            prediction=made.prediction,
            confidence=0.75,
        )
        for made in corrections(12, seed=5)
    ]
    scores = serving.many(PredictionColumns.of(events))
    assert scores.scored == 8
    for row, event in enumerate(events[:8]):
        asked = (event.features, str(event.prediction), 0.75)
        assert scores.answers[row] == serving.answer(*asked)
        assert scores.error_probability[row] == pytest.approx(error_probability(serving, *asked))
    assert scores.answers[8:] == [event.prediction for event in events[8:]]
    np.testing.assert_allclose(scores.error_probability[8:], 0.25)
    np.testing.assert_allclose(scores.uncertainty[8:], 0.25)
    assert serving.many(PredictionColumns.of([])).scored == 0


def test_error_probability_ranks_errors(corrections, settings) -> None:
    """Production is wrong for negative x only: those get the higher chance of an error."""
    learner = Learner("m", settings)
    for made in corrections(400):
        x = float(made.features["x"])
        said = {"label": "yes", "challenger_prediction": "yes", "learned_prediction": "yes"}
        learner.learn(msgspec.structs.replace(made, prediction="yes" if x > 0 else "no", **said))
    assert learner.serving is not None
    low = error_probability(learner.serving, {"x": 1.0, "colour": "red", "noise": 0.5}, "yes", 0.8)
    high = error_probability(learner.serving, {"x": -1.0, "colour": "blue", "noise": 0.5}, "no", 0.8)
    assert high > 0.7
    assert low < 0.3


@pytest.mark.parametrize(
    ("member", "river"),
    [
        (AdaptiveForestMember(seed=3), forest.ARFClassifier(n_models=10, seed=3, max_depth=20)),
        (AdaptiveTreeMember(seed=3), tree.HoeffdingAdaptiveTreeClassifier(grace_period=50, seed=3, max_depth=20)),
    ],
)
def test_frozen_trees_answer_as_river_does(member, river) -> None:
    """Flat arrays and River's own predict_proba_one give the same numbers where River has no alternate tree."""
    generator = np.random.default_rng(0)
    recent = np.zeros((2, 2))
    made = generator.normal(size=(900, 4))
    labels = (made[:, 0] + made[:, 1] > 0).astype(int)
    production = np.full((1, 3), 1 / 3)
    for row, label in zip(made[:800], labels, strict=False):
        member.learn_one(Batch(row[None, :], production, recent), int(label), 1.0)
        river.learn_one(dict(enumerate(row.tolist())), int(label))
    asked = made[800:]
    predicted = member.freeze().predict(Batch(asked, np.repeat(production, len(asked), axis=0), recent))
    for row, probabilities in zip(asked, predicted, strict=True):
        expected = river.predict_proba_one(dict(enumerate(row.tolist())))
        np.testing.assert_allclose(probabilities[:2], [expected.get(0, 0.0), expected.get(1, 0.0)], atol=1e-9)
