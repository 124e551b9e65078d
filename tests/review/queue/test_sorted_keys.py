from __future__ import annotations

import random

import pytest

import review.queue.sorted_keys
from review.queue.sorted_keys import Key, SortedKeys


def key(number: int) -> Key:
    return (float(number % 7), number % 3, 0, str(number))


@pytest.mark.parametrize("bucket_max", [2, 5, 1_000])
def test_it_behaves_like_a_sorted_list(monkeypatch: pytest.MonkeyPatch, bucket_max: int) -> None:
    """After any adds and removes: same order both ways, same counts, same slices as a plain sorted list."""
    monkeypatch.setattr(review.queue.sorted_keys, "BUCKET_KEYS_MAX", bucket_max)
    rng = random.Random(1)
    keys, plain = SortedKeys(), []
    for step in range(600):
        number = rng.randrange(80)
        if key(number) in plain:
            plain.remove(key(number))
            keys.remove(key(number))
        else:
            plain = sorted([*plain, key(number)])
            keys.add(key(number))
        if step % 20 == 0:
            assert list(keys) == plain
            assert list(reversed(keys)) == plain[::-1]
            assert len(keys) == len(plain)
            assert list(keys.after(step % 30)) == plain[step % 30 :]
            assert keys.count_below(key(number)) == sum(one < key(number) for one in plain)


def test_what_is_not_there_cannot_be_removed() -> None:
    """Removing an unknown key is a bug of the caller, and says so."""
    keys = SortedKeys()
    with pytest.raises(KeyError):
        keys.remove(key(1))
    keys.add(key(1))
    with pytest.raises(KeyError):
        keys.remove(key(2))
