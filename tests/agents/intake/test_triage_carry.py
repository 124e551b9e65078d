"""Triage goes on after a restart with the same decisions, and after a rebalance within the budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import structlog

from agents.intake.triage_log import StoredStates
from review.settings import TriageSettings
from schemas.codec import encode
from schemas.wire.triage_state import TriageState
from schemas.wire.verdict import Verdict
from tests.support.triage_workers import EVENTS, TRIAGE, Log, Worker, predictions


def batches(begin: int, end: int, seed: int) -> Iterable[tuple[int, int]]:
    draw = np.random.default_rng(seed)
    while begin < end:
        stop = min(end, begin + int(draw.integers(1, 400)))
        yield begin, stop
        begin = stop


def decided(verdicts: Iterable[Verdict]) -> list[tuple[object, ...]]:
    return [(v.event_id, v.decision, v.audit, v.inclusion_probability, v.reasons, v.task_id) for v in verdicts]


@pytest.mark.parametrize("cuts", [(100,), (640, 641, 2_000), (1_337, 2_500, 3_999)])
def test_a_killed_worker_goes_on_with_the_same_decisions(cuts: Sequence[int]) -> None:
    """Batches in hand come again, and every verdict is that of a worker that never died."""
    through = Worker(Log()).assign([0])
    wanted = [v for begin, stop in batches(0, EVENTS, 1) for v in through.handle(predictions(begin, stop))]
    log, verdicts, begin = Log(), [], 0
    for cut in (*cuts, EVENTS):
        worker = Worker(log).assign([0])
        for start, stop in batches(begin, cut, cut):
            verdicts += worker.handle(predictions(start, stop))
        begin = cut
        worker.handle(predictions(cut, min(EVENTS, cut + 50)), commit=False)
    assert decided(verdicts) == decided(wanted)
    assert {v.decision for v in wanted} == {"accept", "review"}


def test_an_aborted_batch_leaves_no_trace() -> None:
    """A rolled back transaction changes triage neither in memory nor on the log."""
    through, log = Worker(Log()).assign([0]), Log()
    worker = Worker(log).assign([0])
    for begin, stop in batches(0, 2_000, 5):
        wanted = through.handle(predictions(begin, stop))
        worker.handle(predictions(begin, stop), commit=False)
        worker.judge.states.undo()
        assert decided(worker.handle(predictions(begin, stop))) == decided(wanted)
    after = predictions(2_000, 2_500)
    assert decided(Worker(log).assign([0]).handle(after)) == decided(through.handle(after))


def test_another_budget_takes_effect_and_keeps_what_is_known() -> None:
    """After a restart with other settings scores and debts are known, within the new bounds."""
    log = Log()
    Worker(log).assign([0]).handle(predictions(0, 2_000))
    changed = TriageSettings(budget=0.3, audit_rate=0.02, recent_scores_max=100, threshold_events=100)
    seen = [v for v in Worker(log, triage=changed).assign([0]).handle(predictions(2_000, EVENTS)) if v.task_id]
    assert 0.25 < len(seen) / 2_000 < 0.31
    other = TriageSettings(strategy="catch", budget=0.1, audit_rate=0.02)
    carried = log.states().inherited([0], lambda model: other)["m"]
    assert carried.snapshot.recent.known == 0


def test_workers_that_share_a_model_keep_to_its_budget_and_warm_up_once() -> None:
    """One worker becomes two, one of them dies, the other takes all, four take over: reviews keep to the budget."""
    log, seen, count = Log(), 0, 0
    owners: list[tuple[str, list[int]]]
    purses: list[int] = []
    for number, owners in enumerate(
        [
            [("a", [0, 1, 2, 3])],
            [("a", [0, 1]), ("b", [2, 3])],
            [("b", [0, 1, 2, 3])],
            [("b", [0]), ("c", [1]), ("d", [2]), ("e", [3])],
        ]
    ):
        workers = [Worker(log, slot).assign(partitions) for slot, partitions in owners]
        purses.append(sum(worker.carried("m").snapshot.purse for worker in workers) if number else 0)
        before = purse_of(log) if number else 0
        assert 0 <= before - purses[-1] < len(workers), "reviews are neither made nor lost where partitions move"
        for begin, stop in batches(number * 1_000, number * 1_000 + 1_000, number):
            share = -(-(stop - begin) // len(workers))
            for index, worker in enumerate(workers):
                events = predictions(min(stop, begin + index * share), min(stop, begin + (index + 1) * share))
                if not events:
                    continue
                verdicts = worker.handle(events)
                count += len(verdicts)
                seen += sum(bool(v.task_id) for v in verdicts)
                if number:
                    # The warm-up threshold is 0.4; the one carried over follows the scores, which are lower at first.
                    assert worker.judge.states.scores_known("m") >= TRIAGE.warmup_events
    assert count == EVENTS
    assert 0.08 < seen / count <= 0.1 + 0.001


def purse_of(log: Log) -> int:
    """The purse of the newest owners of all partitions together."""
    carried = log.states().inherited([0, 1, 2, 3], lambda model: TRIAGE)["m"]
    return carried.snapshot.purse


def test_a_model_without_events_is_handed_on_too() -> None:
    """A state that a worker took over and never used is under its own name after its first commit."""
    log = Log()
    first = Worker(log, "a").assign([0, 1])
    first.handle(predictions(0, 1_000, "quiet"))
    second = Worker(log, "b").assign([1])
    second.handle(predictions(0, 10, "m"))
    first.assign([0]).handle(predictions(1_000, 1_010, "quiet"))
    carried = log.states().inherited([1], lambda model: TRIAGE)["quiet"]
    assert carried.is_whole
    assert carried.snapshot.recent.known >= TRIAGE.warmup_events


def test_what_a_commit_writes_is_bounded() -> None:
    """A commit writes about a kilobyte a model, whatever the batch; the log has a window of scores a worker."""
    log = Log()
    worker = Worker(log, triage=TriageSettings()).assign([0])
    for start in range(0, 2 * EVENTS, 20):
        worker.handle(predictions(start, start + 20))
    assert np.mean(log.sizes) < 1_500
    assert max(log.sizes) < 3_500
    assert len(log.newest) <= 2_000 // 128 + 3
    assert sum(map(len, log.newest.values())) < 2_400 * 8 * 1.5


@pytest.mark.parametrize("data", [b"", b"[", b"{}", b'{"model":"m","slot":"0","scores":"%%"}', b"\xff" * 50])
def test_rubbish_on_the_log_is_one_line(data: bytes) -> None:
    """Triage starts anew where nothing else is known, and the log says why."""
    states = StoredStates()
    with structlog.testing.capture_logs() as lines:
        states.hear(data)
    assert len(lines) == 1
    assert lines[0]["why"]
    assert states.inherited([0], lambda model: TRIAGE) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": b"\x00" * 13},
        {"scores": np.array([np.nan, np.inf, -5.0, 1e300]).tobytes(), "known": 4},
        {"known": 10**30, "events": 10**30},
        {"purse": -(10**40)},
        {"purse": 10**40, "run_forced": 10**25, "run_open": 10**25},
        {"first": 10**20, "partitions": (0, 0, 0)},
    ],
)
def test_a_state_that_cannot_be_does_no_harm(changes: dict[str, object]) -> None:
    """Whatever a readable record says, every event gets its verdict, and the budget is kept afterwards."""
    states = StoredStates()
    fields = {"model": "m", "slot": "0", "partitions": (0,), "scored_by": "mix 0.5", **changes}
    states.hear(encode(TriageState(**fields)))  # type: ignore[arg-type]
    worker = Worker(Log())
    worker.judge.states.carry(
        "0", [0], states.inherited([0], lambda model: TRIAGE), states.claims("0", [0], lambda model: TRIAGE)
    )
    verdicts = [v for begin, stop in batches(0, EVENTS, 2) for v in worker.handle(predictions(begin, stop))]
    assert len(verdicts) == EVENTS
    most = 0.1 * EVENTS + TRIAGE.carry_reviews_max
    assert sum(bool(v.task_id) for v in verdicts) <= most


@pytest.mark.parametrize("key", [None, b"", b"/", b"//", b"a/b/c", b"0/99999999999/m", b"\xff/0/m", b"x/0/m", b"0/7/m"])
def test_a_tombstone_ends_what_its_key_said_and_nothing_else(key: bytes | None) -> None:
    """It does so before compaction too; a tombstone under any other key changes nothing."""
    log, settings_of = Log(), lambda model: TRIAGE
    Worker(log).assign([0]).handle(predictions(0, 10))
    states = log.states()
    states.hear(None, key)
    assert set(states.inherited([0], settings_of)) == {"m"}
    states.hear(None, b"0/0/m")
    assert states.inherited([0], settings_of) == {}
    assert states._bytes == 0


def test_too_many_states_forget_the_oldest() -> None:
    """The memory for reading the log is bounded."""
    states = StoredStates(bytes_max=20_000)
    for number in range(100):
        states.hear(encode(TriageState(model=f"m{number}", slot="0", partitions=(0,), known=10, scores=bytes(80))))
    inherited = states.inherited([0], lambda model: TRIAGE)
    assert "m99" in inherited
    assert "m0" not in inherited
    assert len(inherited) <= 20_000 // 500
