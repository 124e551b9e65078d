from __future__ import annotations

import random
from typing import Any

import pytest

from review.queue.shelves import Entry, Shelves


def entry(task: Any, number: int) -> Entry:
    """A review task; several numbers share a priority, a due time, or both."""
    return Entry(task(number, priority=float(number % 7), due_at=1_000 * (number % 3)))


def test_it_behaves_like_a_sorted_list(task: Any) -> None:
    """After any adds and removes: same order both ways, same counts, same pages as a plain sorted list."""
    rng = random.Random(1)
    shelves, plain = Shelves(), []
    for step in range(600):
        added = entry(task, rng.randrange(80))
        if added.key in [known.key for known in plain]:
            plain.remove(added)
            shelves.remove(added)
        else:
            plain = sorted([*plain, added], key=lambda known: known.key)
            shelves.add(added)
        if step % 20 == 0:
            ids = [known.task.task_id for known in plain]
            assert shelves.page(["review"], 0, 1_000) == ids
            assert shelves.page(["review"], step % 30, 1_000) == ids[step % 30 :]
            assert shelves.page(["review", "audit"], step % 30, 5) == ids[step % 30 :][:5]
            assert shelves.lowest_review() == (ids[-1] if ids else None)
            now_ms = rng.randrange(3_000)
            due = sorted(known.due_key for known in plain)
            counts = shelves.counts(now_ms)["review"]
            assert counts.open == len(plain)
            assert counts.overdue == sum(key[0] < now_ms for key in due)
            assert counts.due_next_ms == (due[0][0] if due else None)
            assert list(shelves.past_due("review", now_ms)) == [key[3] for key in due if key[0] <= now_ms]


def test_what_is_not_there_cannot_be_removed(task: Any) -> None:
    """Removing an unknown task is a bug of the caller, and says so."""
    shelves = Shelves()
    with pytest.raises(ValueError, match="not in list"):
        shelves.remove(entry(task, 1))
    shelves.add(entry(task, 1))
    with pytest.raises(ValueError, match="not in list"):
        shelves.remove(entry(task, 2))
