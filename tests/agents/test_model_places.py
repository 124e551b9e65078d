"""Places of models are bounded, and nobody can fill them for ever: a new model gets one, a watched one keeps it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from plain_record import CollectingOutbox
from triage_workers import TRIAGE, Log, Worker, predictions

from agents.learners import Learners
from agents.model_places import ModelPlaces
from learning.settings import LearnSettings
from schemas.correction import Correction
from schemas.topics import TRIAGE_STATE

WARM = TRIAGE.warmup_events


def warm(worker: Worker, model: str, events: int = WARM + 50) -> None:
    worker.handle(predictions(0, events, model))


def once(worker: Worker, *models: str) -> list[str]:
    """The decisions about one event of each, in a batch of each."""
    return [verdict.decision for model in models for verdict in worker.handle(predictions(0, 1, model))]


def test_a_new_model_is_judged_when_strangers_have_filled_all_places() -> None:
    """Whoever may write predictions can send any name: an honest new model is judged all the same, and warms up."""
    worker = Worker(Log(), places=ModelPlaces(20, {"ours"})).assign([0])
    once(worker, *(f"junk-{number}" for number in range(100)))
    assert len(worker.judge.models) == 20
    warm(worker, "new")
    assert worker.judge.scores_known("new") >= WARM


def test_names_that_come_once_take_no_place_of_a_watched_model() -> None:
    """A thousand strange names between two of its events: it goes on with the threshold it had."""
    through, worker = (Worker(Log(), places=ModelPlaces(10)).assign([0]) for _ in range(2))
    for one in (through, worker):
        warm(one, "quiet")
    once(worker, *(f"junk-{number}" for number in range(1_000)))
    after = predictions(WARM + 50, WARM + 450, "quiet")
    assert worker.handle(after) == through.handle(after)


def test_who_settled_in_first_gives_way_to_who_did_so_later() -> None:
    """Strangers who send enough to warm up fill the places of the settled: who was used longest ago goes."""
    worker = Worker(Log(), places=ModelPlaces(10)).assign([0])
    for number in range(10):
        warm(worker, f"junk-{number}")
    for model in ("one", "other"):
        warm(worker, model)
        once(worker, "junk-9")
    assert worker.judge.scores_known("one") >= WARM
    assert worker.judge.scores_known("other") >= WARM
    assert "junk-0" not in worker.judge.models
    assert "junk-9" in worker.judge.models


def test_two_new_models_by_turns_both_settle_in() -> None:
    """Where all places are settled, some are kept for new ones: they do not push each other out."""
    worker = Worker(Log(), places=ModelPlaces(10)).assign([0])
    for number in range(10):
        warm(worker, f"old-{number}")
    for number in range(WARM):
        for model in ("one", "other"):
            worker.handle(predictions(number, number + 1, model))
    assert worker.judge.scores_known("one") == worker.judge.scores_known("other") == WARM


def test_who_lost_its_place_begins_anew() -> None:
    """As a new model does: it warms up, with an empty purse, and its verdicts are those of a model never seen."""
    worker, fresh = Worker(Log(), places=ModelPlaces(1)).assign([0]), Worker(Log()).assign([0])
    warm(worker, "m")
    once(worker, "stranger")
    after = predictions(WARM + 50, WARM + 200)
    assert worker.handle(after) == fresh.handle(after)


def test_the_log_forgets_who_lost_its_place() -> None:
    """In the same transaction: triage.state holds as many models as there are places, however many names have come."""
    log = Log()
    worker = Worker(log, places=ModelPlaces(5)).assign([0])
    warm(worker, "m", 1_500)
    once(worker, *(f"junk-{number}" for number in range(50)))
    for number in range(10):
        warm(worker, f"other-{number}")
    models = {key.split("/", 2)[2] for key in log.newest}
    assert models == set(worker.judge.models)
    assert len(models) == 5
    assert "m" not in models


def test_a_restart_gives_nobody_a_place_and_takes_none() -> None:
    """The same names with and without restarts and aborted batches: the same verdicts, and the same places."""
    draw = random.Random(5)
    names = [f"m{min(draw.randrange(12), draw.randrange(12))}" for _ in range(400)]
    through, log, counts = Worker(Log(), places=ModelPlaces(6)).assign([0]), Log(), dict.fromkeys(names, 0)
    worker = Worker(log, places=ModelPlaces(6)).assign([0])
    for number, model in enumerate(names):
        if number % 7 == 0:
            worker = Worker(log, places=ModelPlaces(6)).assign([0])
        if number % 5 == 0:  # a transaction that is aborted, and comes again
            worker.handle(predictions(0, 9, f"aborted-{number}"), commit=False)
            worker.judge.undo()
        events = predictions(counts[model], counts[model] + 40, model)
        counts[model] += 40
        assert worker.handle(events) == through.handle(events)
        assert list(worker.judge.models) == list(through.judge.models)


def test_models_too_many_on_the_log_are_forgotten_at_the_start() -> None:
    """Fewer places than before, or two workers' models on one: those used last keep theirs, others leave the log."""
    log = Log()
    first = Worker(log).assign([0])
    warm(first, "settled")
    once(first, *(f"junk-{number}" for number in range(50)))
    second = Worker(log, places=ModelPlaces(10)).assign([0])
    assert len(second.judge.models) == 10
    assert "settled" in second.judge.models
    once(second, "next")
    assert len({key.split("/", 2)[2] for key in log.newest}) == 10


def test_what_was_left_of_partitions_is_forgotten_too() -> None:
    """A model that loses its place to another at the next owner does not come back from what the last owner left."""
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
    """Whoever lost it in a batch that is aborted has it again, with all that was known of it."""
    worker = Worker(Log(), places=ModelPlaces(1)).assign([0])
    warm(worker, "m")
    outbox = CollectingOutbox()
    worker.judge.begin()
    worker.judge._watched("stranger")
    worker.judge._watched("m")
    worker.judge._watched("stranger")
    worker.judge.save(outbox)
    if is_committed:
        worker.judge.committed()
        assert list(worker.judge.models) == ["stranger"]
        assert next(key for name, key, value in outbox.sent if name == TRIAGE_STATE.name and value is None) == "0/0/m"
    else:
        worker.judge.undo()
        assert worker.judge.scores_known("m") == WARM + 50


class Published:
    """What learners tell, by model."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def publish(self, *_: object) -> None: ...

    def end_candidate(self, model: str, _outbox: object) -> None:
        self.ended.append(model)

    def end_serving(self, model: str, _reason: str, _outbox: object) -> None:
        self.ended.append(model)

    def candidate_corrections(self, _model: str) -> int:
        return 0


def test_learn_keeps_as_many_models_as_there_are_places() -> None:
    """The one whose corrections came longest ago goes, what it had published ends, and it may come again."""
    published, outbox = Published(), CollectingOutbox()
    made: Any = published
    learners = Learners(lambda _: LearnSettings(), made, publish_seconds_min=0.0, places=ModelPlaces(3, {"ours"}))
    for number, model in enumerate(("ours", "a", "b", "c", "a", "d", "b")):
        correction = Correction(
            correction_id=f"c{number}", event_id=f"e{number}", model=model, label="x", source="review", time=number,
            created_at=number, features={"x": 1.0}, prediction="x", confidence=0.9, inclusion_probability=1.0,
            audit_probability=0.0, learn=True,
        )  # fmt: skip
        learners.learn(correction, outbox)
    assert list(learners._learners) == ["ours", "a", "d", "b"]
    assert published.ended == ["b", "b", "c", "c"]
