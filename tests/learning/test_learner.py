"""What the learner decides, and that the same corrections always decide the same."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from learning.learner import PRODUCTION, Change, Event, Learner
from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.snapshots.snapshot import Standing
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from tests.support.learned_one import error_probability


def decisions(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.decision, event.version) for event in events if isinstance(event, Change)]


def learned(learner: Learner, corrections: list[Correction]) -> list[Event]:
    return [event for correction in corrections for event in learner.learn(correction)]


def comparable(events: list[Event]) -> list[bytes | tuple[str, str, str]]:
    return [
        msgspec.json.encode(event)
        if isinstance(event, GateStep)
        else (event.decision, event.version, repr(event.serving and event.serving.stack.weights.tolist()))
        for event in events
    ]


def test_model_that_is_wrong_is_replaced_and_refreshed(corrections, settings) -> None:
    """Where production is always wrong the stack is promoted, serves better, and is refreshed afterwards."""
    learner = Learner("elec2", settings)
    events = learned(learner, corrections(200))
    decided = decisions(events)
    assert decided[0] == ("promoted", "elec2-1")
    assert ("refreshed", "elec2-2") in decided
    assert learner.version == decided[-1][1]
    assert learner.serving is not None
    assert learner.serving.answer({"x": 1.5, "colour": "red", "noise": 0.5}, "yes", 0.8) == "no"
    assert error_probability(learner.serving, {"x": 1.5, "colour": "red", "noise": 0.5}, "yes", 0.8) > 0.5


def test_model_that_is_right_stays(corrections, settings) -> None:
    """Where production is right nothing replaces it."""
    learner = Learner("m", settings)
    events = learned(learner, corrections(300, flip_at=10**9))
    assert decisions(events) == []
    assert learner.serving is None
    assert learner.version == PRODUCTION


def test_guard_puts_production_back_and_the_challenger_may_return(corrections, settings) -> None:
    """A served model that stays frozen while the world turns back loses to production, and may win again later."""
    fixed = msgspec.structs.replace(settings, refresh_corrections=100_000, loss_decay=0.9)
    learner = Learner("m", fixed)
    events = learned(learner, corrections(600, flip_back_at=200))
    decided = [decision for decision, _ in decisions(events)]
    assert decided[:2] == ["promoted", "rolled_back"]
    step = next(event for event in events if isinstance(event, GateStep) and event.decision == "rolled_back")
    assert step.challenger == PRODUCTION
    assert step.log_evidence >= step.log_threshold
    again = learned(
        learner,
        [
            msgspec.structs.replace(correction, correction_id=f"again-{number}", event_id=f"again-{number}")
            for number, correction in enumerate(corrections(600, seed=9))
        ],
    )
    assert "promoted" in [decision for decision, _ in decisions(again)]


def test_refresh_that_seems_worse_is_refused(corrections, settings) -> None:
    """The stack is made to look worse than its copy: the copy goes on serving, and the step says why."""
    learner = Learner("m", settings)
    made = corrections(400)
    used = 0
    while learner.serving is None:
        learner.learn(made[used])
        used += 1
    assert learner.serving is not None
    for _ in range(settings.refresh_corrections - 1):
        learner._refresh_screen.update(False, True, 1.0)
    events = learner.learn(made[used])
    assert [event.decision for event in events] == ["refused"]
    assert "accuracy of what was learned since" in events[0].reason


def test_every_correction_counts_once(corrections, settings) -> None:
    """A repeated correction, a second one of an event, and one without consent change nothing."""
    learner = Learner("m", settings)
    first = corrections(1)[0]
    learner.learn(first)
    learner.learn(first)
    learner.learn(msgspec.structs.replace(first, correction_id="other"))
    learner.learn(msgspec.structs.replace(first, correction_id="c9", event_id="e9", learn=False))
    assert learner.corrections == 1
    assert learner.repeats_ignored == 2
    assert learner.without_consent == 1
    assert learner._stack.learned == 1


def test_memory_of_ids_is_bounded(corrections, settings) -> None:
    """The oldest ids are forgotten at the limit."""
    learner = Learner("m", msgspec.structs.replace(settings, corrections_remembered_max=10))
    learned(learner, corrections(30))
    assert len(learner._correction_ids) == 10
    assert len(learner._event_ids) == 10


def test_steps_are_reported_now_and_then(corrections, settings) -> None:
    """A gate that decides nothing reports every ``gate_step_corrections`` corrections."""
    learner = Learner("m", settings)
    events = learned(learner, corrections(100, flip_at=10**9))
    assert [event.corrections for event in events] == [20, 40, 60, 80, 100]
    assert {event.decision for event in events} == {"continue"}


@pytest.mark.parametrize("cut", [7, 60, 150])
def test_restored_checkpoint_goes_on_where_it_was(corrections, settings, cut: int) -> None:
    """Straight through, or pickled and restored in the middle: the same steps, versions and answers."""
    everything = msgspec.structs.replace(settings, members=LearnSettings().members)
    made = corrections(220)
    straight = Learner("m", everything)
    expected = learned(straight, made)
    before = Learner("m", everything)
    events = learned(before, made[:cut])
    after = pickle.loads(pickle.dumps(before))
    events += learned(after, made[cut:])
    assert comparable(events) == comparable(expected)
    assert straight.serving is not None
    assert after.serving is not None
    for correction in made[:20]:
        asked = (correction.features, correction.prediction, correction.confidence)
        assert after.serving.predict_proba_one(*asked) == straight.serving.predict_proba_one(*asked)


def standing(**changes: object) -> Standing:
    return Standing("m-57", ("production", "m-56"), is_learned=True)._replace(**changes)


def logged_by(made: list[Correction], version: str) -> list[Correction]:
    return [msgspec.structs.replace(correction, learned_version=version) for correction in made]


def test_what_is_in_charge_is_taken_over_and_guarded(corrections, settings) -> None:
    """A learner that begins anew looks at what the version in charge answered, and puts production back if it fails."""
    learner = Learner("m", settings)
    assert learner.take_over(standing())
    events = learned(learner, logged_by(corrections(300, flip_at=10**9), "m-57"))
    decided = decisions(events)
    assert ("rolled_back", decided[-1][1]) in decided
    step = next(event for event in events if isinstance(event, GateStep) and event.decision != "continue")
    assert (step.champion, step.gate[:5]) == ("m-57", "guard")
    assert [version for _, version in decided] == [f"m-{58 + number}" for number in range(len(decided))]
    first = next(event for event in events if isinstance(event, Change))
    assert first.lineage == ("production", "m-56", "m-57")


def test_what_was_learned_since_replaces_a_version_taken_over(corrections, settings) -> None:
    """Where the version in charge is right it stays until what is learned anew is as good; then that is at hand."""
    learner = Learner("m", settings)
    learner.take_over(standing())
    decided = decisions(learned(learner, logged_by(corrections(450), "m-57")))
    assert {decision for decision, _ in decided} == {"refreshed"}
    assert isinstance(learner.serving, ServingModel)


def test_answers_of_other_versions_say_nothing_of_the_one_taken_over(corrections, settings) -> None:
    """A version that was not asked about an event is compared with nobody there."""
    learner = Learner("m", settings)
    learner.take_over(standing())
    learned(learner, logged_by(corrections(100), "m-3"))
    assert not learner._refresh_screen.due


@pytest.mark.parametrize(
    ("now", "is_taken"),
    [
        (standing(version="own"), False),
        (standing(version="before"), False),
        (standing(version="own", is_learned=False), True),
        (standing(version="before", is_learned=False), True),
        (standing(), True),
    ],
)
def test_what_the_learner_put_there_itself_is_no_news(corrections, settings, now: Standing, is_taken: bool) -> None:
    """The same version, or one before refreshes that were not published; a withdrawal is news always."""
    learner = Learner("m", settings)
    learned(learner, corrections(200))
    assert isinstance(learner.serving, ServingModel)
    names = {"own": learner.version, "before": learner._lineage[-1]}
    assert learner.take_over(now._replace(version=names.get(now.version, now.version))) == is_taken
    assert (learner.serving is None) == (not now.is_learned)


def test_a_withdrawn_version_keeps_its_number(corrections, settings) -> None:
    """A learner that begins anew where production was put back counts on: no two models have one name."""
    learner = Learner("m", settings)
    learner.take_over(standing(is_learned=False))
    assert (learner.version, learner.serving) == ("m-57", None)
    assert decisions(learned(learner, corrections(200)))[0] == ("promoted", "m-58")
