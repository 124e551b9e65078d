"""What a prediction may be, and how wrong ones are explained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode, decode_one_or_many, encode
from schemas.hashing import id_hashes, mixed, uniform_draws
from schemas.json_text.errors import MalformedError
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text, problem_of

BASE = {"event_id": "e1", "model": "churn", "time": 1_772_000_000_000, "features": {}, "prediction": "yes"}


def wire(**changes):
    import json

    return json.dumps(BASE | {"confidence": 0.9} | changes).encode()


def test_both_spellings_of_time_mean_the_same():
    """RFC 3339 with an offset and epoch milliseconds are one instant."""
    text = decode(Prediction, wire(time="2026-02-25T07:13:20+01:00"))
    assert epoch_ms(text.time) == epoch_ms(decode(Prediction, wire(time=1_772_000_000_000)).time)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time": "2026-02-25T07:13:20"}, "$.time"),
        ({"confidence": 1.5}, "$.confidence"),
        ({"event_id": ""}, "$.event_id"),
        ({"features": [1]}, "$.features"),
        ({"prediction": 0.5}, "$.prediction"),
        ({"risk": -1}, "$.risk"),
    ],
)
def test_a_wrong_field_is_named(changes, field):
    """The reason of a Reject says which field was wrong."""
    with pytest.raises(MalformedError) as caught:
        decode(Prediction, wire(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"confidence": None}, "$.confidence"),
        ({"probabilities": {"no": 1.0}}, "no entry"),
        ({"probabilities": {"yes": 0.5, "no": 0.1}}, "sum to 0.6"),
    ],
)
def test_fields_that_contradict_each_other_are_found(changes, word):
    """Confidence or probabilities must be there, and make sense together with the answer."""
    assert word in (problem_of(decode(Prediction, wire(**changes))) or "")


def test_confidence_comes_from_probabilities_where_it_is_not_said():
    """The probability of the model's own answer is its confidence."""
    prediction = decode(Prediction, wire(confidence=None, probabilities={"yes": 0.7, "no": 0.3}))
    assert problem_of(prediction) is None
    assert confidence_of(prediction) == 0.7


def test_labels_are_texts_as_json_spells_them():
    """A label 1, true or "1" is the same text wherever it is compared."""
    assert [label_text(label) for label in ("a", 1, True, False)] == ["a", "1", "true", "false"]


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
predictions = st.builds(
    Prediction,
    event_id=st.text(min_size=1, max_size=20),
    model=st.text(min_size=1, max_size=20),
    time=st.integers(0, 253_402_300_799_999),
    features=st.dictionaries(st.text(min_size=1, max_size=10), scalars | st.text(max_size=10), max_size=5),
    prediction=st.text(max_size=10) | st.integers(-(2**53), 2**53) | st.booleans(),
    confidence=st.floats(0, 1),
)


@settings(max_examples=50)
@given(st.lists(predictions, max_size=4))
def test_encoding_and_decoding_is_the_identity(many):
    """What is written is read, alone or in an array."""
    assert decode_one_or_many(Prediction, encode(many)) == many
    assert all(decode_one_or_many(Prediction, encode(value)) == [value] for value in many)


def test_draws_are_uniform_and_repeatable():
    """The audit sample of sequential ids is no sequence, and a retry draws the same."""
    ids = [f"model-{number}" for number in range(20_000)]
    draws = uniform_draws(ids, salt=7)
    assert (draws == uniform_draws(ids, salt=7)).all()
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs((draws < 0.02).mean() - 0.02) < 0.004
    assert abs((uniform_draws(ids, salt=8)[draws < 0.1] < 0.1).mean() - 0.1) < 0.03
    assert len(set(mixed(id_hashes(ids), 7).tolist())) == len(ids)
