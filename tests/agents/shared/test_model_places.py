"""Places for models are bounded, and names cannot fill them for ever: new models get one, watched ones keep theirs."""

from __future__ import annotations

import random
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.learn.learners import Learners
from agents.shared.model_places import ModelPlaces
from learning.learner import Elsewhere
from learning.settings import LearnSettings
from learning.snapshots.snapshot import Standing
from schemas.topics import TRIAGE_STATE
from schemas.wire.correction import Correction
from tests.support.plain_record import CollectingOutbox
from tests.support.triage_workers import TRIAGE, Log, Worker, predictions

WARM = TRIAGE.warmup_events


def warm(worker: Worker, model: str, events: int = WARM + 50) -> None:
    worker.handle(predictions(0, events, model))


def once(worker: Worker, *models: str) -> list[str]:
    """The decisions about one event of each model, each in a batch of its own."""
    return [verdict.decision for model in models for verdict in worker.handle(predictions(0, 1, model))]


def test_a_new_model_is_judged_when_strangers_have_filled_all_places() -> None:
    """Any name may come from a producer: an honest new model is judged all the same, and warms up."""
    worker = Worker(Log(), places=ModelPlaces(20, {"ours"})).assign([0])
    once(worker, *(f"junk-{number}" for number in range(100)))
    assert len(worker.judge.states.models) == 20
    warm(worker, "new")
    assert worker.judge.states.scores_known("new") >= WARM


def test_a_stranger_does_not_have_every_place_looked_at() -> None:
    """Of ten thousand names that came once, as many are asked about as decide who leaves: a message may bring many."""
    asked: list[str] = []

    def is_settled(model: str) -> bool:
        asked.append(model)
        return model.startswith("watched")

    present = [*(f"watched-{number}" for number in range(100)), *(f"once-{number}" for number in range(9_900))]
    assert ModelPlaces(10_000).leaver("new", present, is_settled) == "once-0"
    assert asked == present[:2_100]


def test_names_that_come_once_take_no_place_of_a_watched_model() -> None:
    """A thousand strange names come between two of its events: it keeps its threshold."""
    through, worker = (Worker(Log(), places=ModelPlaces(10)).assign([0]) for _ in range(2))
    for started in (through, worker):
        warm(started, "quiet")
    once(worker, *(f"junk-{number}" for number in range(1_000)))
    after = predictions(WARM + 50, WARM + 450, "quiet")
    assert worker.handle(after) == through.handle(after)


def test_who_settled_in_first_gives_way_to_who_did_so_later() -> None:
    """Strangers that send enough to warm up take places of settled models: the one used longest ago goes."""
    worker = Worker(Log(), places=ModelPlaces(10)).assign([0])
    for number in range(10):
        warm(worker, f"junk-{number}")
    for model in ("one", "other"):
        warm(worker, model)
        once(worker, "junk-9")
    assert worker.judge.states.scores_known("one") >= WARM
    assert worker.judge.states.scores_known("other") >= WARM
    assert "junk-0" not in worker.judge.states.models
    assert "junk-9" in worker.judge.states.models


def test_two_new_models_by_turns_both_settle_in() -> None:
    """If all models have settled in, some places are kept for new ones: these do not push each other out."""
    worker = Worker(Log(), places=ModelPlaces(10)).assign([0])
    for number in range(10):
        warm(worker, f"old-{number}")
    for number in range(WARM):
        for model in ("one", "other"):
            worker.handle(predictions(number, number + 1, model))
    assert worker.judge.states.scores_known("one") == worker.judge.states.scores_known("other") == WARM


def test_who_lost_its_place_begins_anew() -> None:
    """It warms up with an empty purse, and its verdicts are those of a new model."""
    worker, fresh = Worker(Log(), places=ModelPlaces(1)).assign([0]), Worker(Log()).assign([0])
    warm(worker, "m")
    once(worker, "stranger")
    after = predictions(WARM + 50, WARM + 200)
    assert worker.handle(after) == fresh.handle(after)


def test_the_log_forgets_who_lost_its_place() -> None:
    """In the same transaction: triage.state has as many models as there are places, however many names have come."""
    log = Log()
    worker = Worker(log, places=ModelPlaces(5)).assign([0])
    warm(worker, "m", 1_500)
    once(worker, *(f"junk-{number}" for number in range(50)))
    for number in range(10):
        warm(worker, f"other-{number}")
    models = {key.split("/", 2)[2] for key in log.newest}
    assert models == set(worker.judge.states.models)
    assert len(models) == 5
    assert "m" not in models


def test_a_restart_gives_nobody_a_place_and_takes_none() -> None:
    """The same names, with and without restarts and aborted batches, give the same verdicts and places."""
    draw = random.Random(5)
    names = [f"m{min(draw.randrange(12), draw.randrange(12))}" for _ in range(400)]
    through, log, counts = Worker(Log(), places=ModelPlaces(6)).assign([0]), Log(), dict.fromkeys(names, 0)
    worker = Worker(log, places=ModelPlaces(6)).assign([0])
    for number, model in enumerate(names):
        if number % 7 == 0:
            worker = Worker(log, places=ModelPlaces(6)).assign([0])
        if number % 5 == 0:  # a transaction that is aborted, and comes again
            worker.handle(predictions(0, 9, f"aborted-{number}"), commit=False)
            worker.judge.states.undo()
        events = predictions(counts[model], counts[model] + 40, model)
        counts[model] += 40
        assert worker.handle(events) == through.handle(events)
        assert list(worker.judge.states.models) == list(through.judge.states.models)


def test_models_too_many_on_the_log_are_forgotten_at_the_start() -> None:
    """With fewer places, or the models of two workers, those used last keep theirs and others leave the log."""
    log = Log()
    first = Worker(log).assign([0])
    warm(first, "settled")
    once(first, *(f"junk-{number}" for number in range(50)))
    second = Worker(log, places=ModelPlaces(10)).assign([0])
    assert len(second.judge.states.models) == 10
    assert "settled" in second.judge.states.models
    once(second, "next")
    assert len({key.split("/", 2)[2] for key in log.newest}) == 10


def test_what_was_left_of_partitions_is_forgotten_too() -> None:
    """A model that loses its place at the next owner does not come back from the state that the last owner left."""
    log = Log()
    first = Worker(log, "a").assign([0, 1])
    warm(first, "m")
    first.assign([0])
    once(first, "m")
    second = Worker(log, "b", places=ModelPlaces(1)).assign([1])
    assert "/1/0/m" in log.newest
    once(second, "other")
    assert "/1/0/m" not in log.newest
    assert "b/0/m" not in log.newest


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_place_is_taken_with_the_transaction(is_committed: bool) -> None:
    """A model that lost its place in an aborted batch has it again, with its state."""
    worker = Worker(Log(), places=ModelPlaces(1)).assign([0])
    warm(worker, "m")
    outbox = CollectingOutbox()
    worker.judge.states.begin()
    worker.judge.states.watched("stranger")
    worker.judge.states.watched("m")
    worker.judge.states.watched("stranger")
    worker.judge.states.save(outbox)
    if is_committed:
        worker.judge.states.committed()
        assert list(worker.judge.states.models) == ["stranger"]
        assert next(key for name, key, value in outbox.sent if name == TRIAGE_STATE.name and value is None) == "0/0/m"
    else:
        worker.judge.states.undo()
        assert worker.judge.states.scores_known("m") == WARM + 50


class Published:
    """What learners publish, by model."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.standing: dict[str, Standing] = {}

    def publish(self, *_: object) -> None: ...

    def end_candidate(self, model: str, _outbox: object) -> None:
        self.ended.append(model)

    def end_serving(self, model: str, reason: str, _outbox: object) -> None:
        self.ended.append(f"{model} {reason[:4]}")
        self.standing[model] = self.standing[model]._replace(is_learned=False)

    def candidate_corrections(self, _model: str) -> int:
        return 0

    def standing_of(self, model: str) -> Standing | None:
        return self.standing.get(model)

    def learned_in_charge(self) -> int:
        return sum(standing.is_learned for standing in self.standing.values())


def correction(model: str, day: float, **changes: Any) -> Correction:
    fields: dict[str, Any] = {
        "correction_id": f"c-{model}-{day}", "event_id": f"e-{model}-{day}", "model": model, "label": "x",
        "source": "review", "time": 0, "created_at": int(day * 86_400_000), "features": {"x": 1.0}, "prediction": "x",
        "confidence": 0.9, "inclusion_probability": 1.0, "learn": True,
    }  # fmt: skip
    return Correction(**(fields | changes))


def learners_of(published: Published, places: ModelPlaces) -> Learners:
    made: Any = published
    return Learners(lambda _: LearnSettings(), made, publish_seconds_min=0.0, places=places)


def test_learn_keeps_as_many_models_as_there_are_places() -> None:
    """The model with the oldest corrections goes, its version is withdrawn, and it may come again."""
    published = Published()
    learners = learners_of(published, ModelPlaces(3, {"ours"}))
    for model in ("ours", "a", "b", "c", "a", "d", "b"):
        learners.learn(correction(model, 0.5), CollectingOutbox())
    assert list(learners._learners) == ["ours", "a", "d", "b"]
    assert published.ended == ["b", "c"]


def test_a_silent_model_keeps_what_is_in_charge_of_it() -> None:
    """A week without a correction, while 600 models are busy: it loses its place, and its version goes on serving."""
    published = Published()
    published.standing["quiet"] = Standing("quiet-7", ("production", "quiet-6"), is_learned=True)
    learners = learners_of(published, ModelPlaces(200))
    learners.learn(correction("quiet", 0), CollectingOutbox())
    with capture_logs() as logs:
        for number in range(600):
            busy = f"busy-{number}"
            published.standing[busy] = Standing(f"{busy}-1", ("production",), is_learned=True)
            learners.learn(correction(busy, 7 + number / 10_000), CollectingOutbox())
    assert "quiet" not in learners._learners
    assert "quiet over" not in published.ended
    assert [line["event"] for line in logs if line.get("model") == "quiet"] == [
        "what was learned of a model is forgotten: others came, its version stays in charge"
    ]
    learners.learn(correction("quiet", 8), CollectingOutbox())
    again = learners._learners["quiet"]
    assert (again.version, isinstance(again.serving, Elsewhere)) == ("quiet-7", True)


def test_learned_versions_of_silent_models_are_bounded() -> None:
    """Beyond two for each place, the version of the model that lost its place first is withdrawn and logged."""
    published, outbox = Published(), CollectingOutbox()
    learners = learners_of(published, ModelPlaces(3))
    for number in range(20):
        name = f"m{number:02}"
        published.standing[name] = Standing(f"{name}-1", ("production",), is_learned=True)
        with capture_logs() as logs:
            learners.learn(correction(name, number), outbox)
        assert published.learned_in_charge() <= 7
    assert [name for name, standing in published.standing.items() if standing.is_learned] == [
        f"m{n:02}" for n in range(14, 20)
    ]
    assert [line["model"] for line in logs if line["event"].endswith("production is in charge of it")] == ["m13"]


def test_a_crowded_model_that_still_has_corrections_is_withdrawn() -> None:
    """Nobody would see its version fail: production is in charge until the model is learned again."""
    published = Published()
    published.standing["a"] = Standing("a-3", ("production",), is_learned=True)
    learners = learners_of(published, ModelPlaces(1))
    for model in ("a", "b"):
        learners.learn(correction(model, 1), CollectingOutbox())
    assert not published.standing["a"].is_learned
    learners.learn(correction("a", 1.1), CollectingOutbox())
    again = learners._learners["a"]
    assert (again.version, again.serving) == ("a-3", None)


def test_what_was_told_before_a_restart_is_not_told_again_but_taken_over() -> None:
    """Old corrections are learned silently; with the first new one the learner takes over the version in charge."""
    published = Published()
    published.standing["m"] = Standing("m-57", ("production", "m-56"), is_learned=True)
    learners = learners_of(published, ModelPlaces(2))
    for number in range(60):
        learners.learn(correction(("m", "a", "b")[number % 3], number / 1000), None)
    assert published.ended == []
    learners.publish_due(CollectingOutbox())
    learners.learn(correction("m", 1), CollectingOutbox())
    assert learners._learners["m"].version == "m-57"
