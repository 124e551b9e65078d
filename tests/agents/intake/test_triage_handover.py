"""Partitions change hands: in any order of reads and commits purses and debts are kept, and nothing warms up again."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.triage.budget import ONE_REVIEW
from tests.support.plain_record import CollectingOutbox
from tests.support.triage_workers import TRIAGE, Log, Worker, predictions

ALL = (0, 1, 2, 3, 4, 5)
ROUNDING = len(ALL)
"""Millionths of a review that one hand-over may round away, each partition less than one."""

Owners = Mapping[str, Sequence[int]]


def tell(worker: Worker, purse: int) -> None:
    """Commit this purse of model m, whatever its triage earned or overdrew in between."""
    outbox = CollectingOutbox()
    worker.judge.states.begin()
    triage = worker.judge.states.watched("m").triage
    worker.judge.states._batches[-1].before["m"] = None
    triage.rewind(triage.snapshot()._replace(purse=purse))
    worker.judge.states.save(outbox)
    worker.judge.states.committed()
    worker.log.commit(outbox)


@functools.cache
def told_by_the_first(purse_reviews: int) -> dict[str, bytes]:
    log = Log()
    first = Worker(log, "a").assign(ALL)
    first.handle(predictions(0, 600))
    tell(first, purse_reviews * ONE_REVIEW)
    return log.newest


def owner_of_all(purse_reviews: int) -> tuple[Log, dict[str, Worker]]:
    """Worker a has judged 600 events as the owner of all partitions, and holds this purse."""
    log = Log()
    log.newest = dict(told_by_the_first(purse_reviews))
    return log, {slot: Worker(log, slot) for slot in "abc"}


def orders(slots: Sequence[str]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Every order of one read and one commit of each worker, the commit after its own read."""
    steps = [(slot, step) for slot in slots for step in ("read", "commit")]
    for order in itertools.permutations(steps):
        if all(order.index((slot, "read")) < order.index((slot, "commit")) for slot in slots):
            yield order


def purse_in(worker: Worker) -> int:
    return worker.carried("m").snapshot.purse


def rebalance(
    workers: Mapping[str, Worker],
    owners: Owners,
    order: Sequence[tuple[str, str]],
    earned: Mapping[str, int] | None = None,
) -> int:
    """One generation of the group in this order; returns what the workers began with, together."""
    began = 0
    for slot, step in order:
        worker = workers[slot]
        if slot not in owners:
            continue
        if step == "read":
            worker.assign(owners[slot])
            carried = worker.carried("m")
            began += carried.snapshot.purse
            assert carried.snapshot.recent.known >= TRIAGE.warmup_events, "nobody warms up anew"
        elif earned and slot in earned:
            tell(worker, purse_in(worker) + earned[slot])
        else:
            # Another model's events bring the commit; what is known of m goes with it.
            worker.handle(predictions(0, 1, "other"))
    return began


@pytest.mark.parametrize(
    ("purse_reviews", "earned"), [(-834, {}), (400, {"a": -7, "b": 5, "c": 3})], ids=["quiet", "busy"]
)
@pytest.mark.parametrize(
    "plan",
    [
        [{"a": (0, 1, 2), "b": (3, 4, 5)}, {"b": ALL}, {"a": (0, 1, 2), "b": (3, 4, 5)}, {"a": ALL}],
        [{"a": (3, 4), "b": (0, 1, 2, 5)}, {"a": (0, 1, 2, 5), "b": (3, 4)}, {"b": (5,), "a": (0, 1, 2, 3, 4)}],
    ],
    ids=["dies and returns", "swaps"],
)
def test_two_workers_in_every_order(plan: Sequence[Owners], earned: Mapping[str, int], purse_reviews: int) -> None:
    """In every order, over several generations, the purses of the group together stay the same."""
    for way in itertools.product(list(orders("ab")), repeat=2):
        _, workers = owner_of_all(purse_reviews)
        wanted = purse_reviews * ONE_REVIEW
        for number, owners in enumerate(plan):
            began = rebalance(workers, owners, way[number % 2], earned)
            assert 0 <= wanted - began <= ROUNDING, (way, number)
            wanted = began + sum(earned.get(slot, 0) for slot in owners)


def test_three_workers_in_every_order() -> None:
    """One worker becomes three, in all 90 orders; then all partitions change hands among them."""
    for order in orders("abc"):
        _, workers = owner_of_all(-834)
        first = rebalance(workers, {"a": (0, 1), "b": (2, 3), "c": (4, 5)}, order, {"b": -ONE_REVIEW})
        assert 0 <= -834 * ONE_REVIEW - first <= ROUNDING
        second = rebalance(workers, {"a": (2, 4), "b": (0, 5), "c": (1, 3)}, order, {"c": 1})
        assert 0 <= first - ONE_REVIEW - second <= ROUNDING
        third = rebalance(workers, {"c": ALL}, [("c", "read")])
        assert 0 <= second + 1 - third <= ROUNDING


def assignments() -> st.SearchStrategy[dict[str, tuple[int, ...]]]:
    """Any division of the partitions among one to three workers."""
    return st.lists(st.sampled_from("abc"), min_size=len(ALL), max_size=len(ALL)).map(
        lambda holders: {slot: tuple(p for p in ALL if holders[p] == slot) for slot in sorted(set(holders))}
    )


def steps() -> st.SearchStrategy[list[tuple[str, str]]]:
    """An order in which every worker reads, and some commit."""
    return st.tuples(st.permutations("aabbcc"), st.sets(st.sampled_from("abc"))).map(
        lambda drawn: [
            (slot, "commit" if slot in drawn[0][:index] else "read")
            for index, slot in enumerate(drawn[0])
            if slot not in drawn[0][:index] or slot in drawn[1]
        ]
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(assignments(), steps(), st.booleans()), min_size=1, max_size=6))
def test_any_history_conserves_the_purse(
    history: list[tuple[dict[str, tuple[int, ...]], list[tuple[str, str]], bool]],
) -> None:
    """The purses are kept also where workers die between read and first commit, and come back much later."""
    log, workers = owner_of_all(-300)
    wanted = -300 * ONE_REVIEW
    for owners, order, is_busy in history:
        earned = dict.fromkeys("abc", 11) if is_busy else {}
        began = rebalance(workers, owners, order, earned)
        assert abs(wanted - began) <= 2 * ROUNDING
        wanted = began + sum(earned.get(slot, 0) for slot, step in order if step == "commit" and slot in owners)
        wanted_from_log = sum(share(log).values())
        assert abs(wanted - wanted_from_log) <= 2 * ROUNDING
        wanted = wanted_from_log


def share(log: Log) -> dict[int, int]:
    """The share of the purse that each partition would bring to a worker that owned no other."""
    states = log.states()
    return {p: states.inherited([p], lambda model: TRIAGE)["m"].snapshot.purse for p in ALL}


def test_the_newest_owner_wins_after_it_has_shrunk() -> None:
    """A dead worker's 400 reviews do not come back once another has spent them, whoever commits first."""
    for order in orders("ab"):
        _, workers = owner_of_all(400)
        rebalance(workers, {"b": ALL}, [("b", "read"), ("b", "commit")], {"b": -400 * ONE_REVIEW})
        rebalance(workers, {"a": (0, 1, 2), "b": (3, 4, 5)}, order)
        assert all(abs(purse_in(workers[slot])) <= ROUNDING for slot in "ab"), order


def test_what_is_left_is_small_and_one_record_a_partition_and_model() -> None:
    """However often partitions move, the log does not grow."""
    log, workers = owner_of_all(0)
    for _ in range(20):
        for owners in ({"a": (0, 1, 2), "b": (3, 4, 5)}, {"c": ALL}, {"b": (0, 2, 4), "c": (1, 3, 5)}):
            rebalance(workers, owners, [(slot, step) for step in ("read", "commit") for slot in "abc"], {"a": 1})
    left = [key for key in log.newest if key.startswith("/")]
    assert 0 < len(left) <= 2 * len(ALL)
    assert all(len(log.newest[key]) < 8 * TRIAGE.recent_scores_max * 1.5 for key in left)
