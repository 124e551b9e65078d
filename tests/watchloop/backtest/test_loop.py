from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from agents.settings import Settings
from learning.learner import Event, Learner
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from watchloop.backtest.loop import BacktestSettings, Loop
from watchloop.backtest.run import run_backtest
from watchloop.cli.backtest import with_triage
from watchloop.recorded.replayable import Replayable


def settings_for(source: Replayable, **triage: Any) -> Settings:
    return with_triage(Settings(), source.model, triage, seed=0)


def outcome(source: Replayable, options: BacktestSettings, **triage: Any) -> dict[str, Any]:
    report = run_backtest(source, settings_for(source, **triage), options)
    figures: dict[str, Any] = msgspec.to_builtins(report)
    figures.pop("seconds")
    return figures


def corrections_of(
    source: Replayable, options: BacktestSettings, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[int, Correction]]:
    """Every correction that the learner gets, with the number of events replayed before it."""
    heard: list[tuple[int, Correction]] = []
    replayed = 0
    learn, replay = Learner.learn, Loop.replay

    def counting(self: Loop, events: list[Prediction], truths: list[str]) -> None:
        nonlocal replayed
        replayed += len(events)
        replay(self, events, truths)

    def listening(self: Learner, correction: Correction) -> list[Event]:
        heard.append((replayed, correction))
        return learn(self, correction)

    monkeypatch.setattr(Loop, "replay", counting)
    monkeypatch.setattr(Learner, "learn", listening)
    run_backtest(source, settings_for(source), options)
    return heard


def number_of(source: Replayable, event_id: str) -> int:
    return int(event_id.rsplit("-", 1)[1]) - source.first


def flipped(source: Replayable, numbers: list[int]) -> Replayable:
    """The same stream with the labels of some events inverted."""
    labels = list(source.table.labels)
    for number in numbers:
        row = source.first + number
        labels[row] = "DOWN" if labels[row] == "UP" else "UP"
    return dataclasses.replace(source, table=dataclasses.replace(source.table, labels=labels))


def test_labels_that_nobody_was_asked_for_change_nothing_but_what_is_true(
    source: Replayable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invert the label of every event that no person saw: estimates, alerts, gate and reviews stay the same."""
    options = BacktestSettings()
    with monkeypatch.context() as patched:
        asked = {number_of(source, c.event_id) for _, c in corrections_of(source, options, patched)}
    others = [number for number in range(len(source)) if number not in asked]
    before, after = outcome(source, options), outcome(flipped(source, others), options)
    same = ("events", "reviewed", "gate", "alerts", "errors_caught")
    assert {key: before[key] for key in same} == {key: after[key] for key in same}
    points = [figures["live_accuracy"] for figures in (before, after)]
    bare = [[{k: v for k, v in p.items() if k != "truth"} for p in live] for live in points]
    assert bare[0] == bare[1]
    assert before["accuracy_model"] != after["accuracy_model"]


def test_corrections_carry_the_chance_with_which_their_event_was_drawn(
    source: Replayable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit has the audit rate, or three times that where challenger and production disagreed; labels are true."""
    heard = [correction for _, correction in corrections_of(source, BacktestSettings(), monkeypatch)]
    drawn = [c for c in heard if c.audit]
    assert {round(c.audit_probability, 6) for c in drawn} == {0.02, 0.06}
    assert all(c.inclusion_probability in (c.audit_probability, 1.0) or c.inclusion_probability > 0.02 for c in drawn)
    raised = [c for c in drawn if round(c.audit_probability, 6) == 0.06]
    assert all(c.challenger_version and c.challenger_prediction != c.prediction for c in raised)
    assert {c.source for c in heard} == {"review"}
    truths = source.truths
    assert all(c.label == truths[number_of(source, c.event_id)] for c in heard)


@pytest.mark.parametrize("delay", [0, 330])
def test_reviewers_answer_after_the_label_delay(
    source: Replayable, delay: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer arrives after its delay, and before the end of the batch in which it is due."""
    options = BacktestSettings(label_delay_events=delay)
    heard = corrections_of(source, options, monkeypatch)
    waited = [replayed - number_of(source, c.event_id) - 1 for replayed, c in heard]
    assert min(waited) >= delay
    assert max(waited) < delay + options.batch_events


def test_a_delay_longer_than_the_stream_teaches_nothing(source: Replayable) -> None:
    """Reviewers answer after the end: their reviews count, but nothing is learned and no interval is known."""
    figures = outcome(source, BacktestSettings(label_delay_events=10_000))
    assert figures["accuracy_learned"] == figures["accuracy_model"]
    assert figures["live_accuracy"] == []
    assert figures["gate"] == {"promoted": [], "refused": [], "rolled_back": [], "refreshed": 0}
    assert figures["reviewed"] > 0


def test_late_labels_come_for_every_event_and_only_if_asked_for(
    short: Replayable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event has one late label after the given number of events, with inclusion probability 1."""
    options = BacktestSettings(late_labels_events=100)
    heard = corrections_of(short, options, monkeypatch)
    late = [(replayed, c) for replayed, c in heard if c.source == "label"]
    assert len(late) == len(short) - 100
    assert {c.inclusion_probability for _, c in late} == {1.0}
    waited = [replayed - number_of(short, c.event_id) - 1 for replayed, c in late]
    assert 100 <= min(waited) <= max(waited) < 100 + options.batch_events


def test_the_truth_of_the_estimates_lies_within_their_intervals(short: Replayable) -> None:
    """With a large audit the last interval contains the model's accuracy and is narrow."""
    figures = outcome(short, BacktestSettings(), budget=0.5, audit_rate=0.3)
    last = figures["live_accuracy"][-1]
    assert last["low"] <= last["truth"] <= last["high"]
    assert last["high"] - last["low"] < 0.2


def test_a_budget_of_everything_catches_every_error(short: Replayable) -> None:
    """With all events seen, accuracy after review is one and the estimate is the truth."""
    figures = outcome(short, BacktestSettings(), budget=1.0, audit_rate=1.0)
    assert figures["errors_caught"] == figures["errors"]
    assert figures["accuracy_after_review"] == 1.0
    assert figures["review_rate"] == 1.0


@pytest.fixture(scope="module")
def usual(source: Replayable) -> dict[str, Any]:
    """The report of the stream with default settings."""
    return outcome(source, BacktestSettings())


@pytest.mark.parametrize("size", [7, 200])
def test_the_size_of_a_batch_moves_little(source: Replayable, usual: dict[str, Any], size: int) -> None:
    """What is learned, and triage's candidate, are at most one batch late, so that reviews are nearly the same."""
    other = outcome(source, BacktestSettings(batch_events=size, live_points_max=2))
    assert usual["gate"]["promoted"] == []
    assert other["reviewed"] == pytest.approx(usual["reviewed"], rel=0.03)
    # Another candidate draws other events, and which errors those meet is chance: over six stretches of Elec2 batches
    # of 7, 50 and 200 catch 0.53 errors a review alike, while a single stretch moves by up to a tenth.
    assert other["errors_caught"] == pytest.approx(usual["errors_caught"], rel=0.15)
    assert usual["accuracy_model"] == other["accuracy_model"]


def test_what_the_least_confident_would_have_caught_is_counted_with_hindsight(
    source: Replayable, usual: dict[str, Any]
) -> None:
    """The baseline spends the same number of reviews on the lowest confidences."""
    rng, truths, caught = np.random.default_rng(0), source.truths, []
    for _ in range(200):
        order = np.lexsort((rng.random(len(source)), source.confidences))[: usual["reviewed"]]
        caught.append(sum(source.answers[n] != truths[n] for n in order.tolist()))
    assert usual["errors_caught_by_confidence"] == pytest.approx(np.mean(caught), abs=1)
