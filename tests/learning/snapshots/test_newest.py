"""Versions only go up, whoever writes to the log: what is taken is LEARN's, for this log, and news."""

from __future__ import annotations

import pathlib
from itertools import permutations

import msgspec
import pytest

from learning.snapshots.newest import NewestManifests, OlderManifest
from learning.snapshots.signing import SigningKey
from learning.snapshots.snapshot import Lineage, SnapshotRefused, pack, unpack, verified
from schemas.wire.manifest import CANDIDATE, PRODUCTION, Manifest
from tests.support.learned_one import keyring_of

LIMIT = 1_000_000
TOPIC = "the-topic-of-this-cluster"


@pytest.fixture
def key(tmp_path: pathlib.Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "signing.pem")


@pytest.fixture
def newest(key: SigningKey) -> NewestManifests:
    return NewestManifests(lambda: keyring_of(key), topic_id=TOPIC)


def signed(key: SigningKey, sequence: int, *, recipe: str = "stack", model: str = "m", topic: str = TOPIC) -> Manifest:
    value = None if recipe == PRODUCTION else {"a": sequence}
    lineage = Lineage(
        model=model, version=f"{model}-{sequence}", recipe=recipe, created_at=5, sequence=sequence, topic_id=topic
    )
    return pack(value, lineage, key, LIMIT).manifest


def test_any_order_ends_with_the_newest(key: SigningKey) -> None:
    """However three manifests come, and come again, the last sequence is what is taken in the end."""
    manifests = [signed(key, sequence) for sequence in (1, 2, 3)]
    for order in permutations([*manifests, *manifests[:2]]):
        newest = NewestManifests(lambda: keyring_of(key), topic_id=TOPIC)
        for manifest in order:
            try:
                newest.take("m", manifest)
            except OlderManifest:
                assert manifest.sequence < newest.manifests["m"].sequence
        assert newest.manifests["m"] == manifests[-1]


def test_the_same_again_is_no_news(key: SigningKey, newest: NewestManifests) -> None:
    """A manifest that is replayed while it is the newest changes nothing and is no error."""
    manifest = signed(key, 7)
    assert newest.take("m", manifest)
    assert not newest.take("m", manifest)


def test_what_is_not_learns_is_refused(key: SigningKey, newest: NewestManifests, tmp_path: pathlib.Path) -> None:
    """Another key, a changed field, no signature, another log, another key of the topic: each is one line."""
    stranger = SigningKey.load_or_create(tmp_path / "other" / "signing.pem")
    good = signed(key, 7)
    wrong = {
        "not in the keyring": signed(stranger, 9),
        "signature does not fit": msgspec.structs.replace(good, sequence=9),
        "does not fit the manifest": msgspec.structs.replace(good, topic_id="x"),
        "the signature": msgspec.structs.replace(good, signature=b""),
        "signed for the topic with id 'elsewhere'": signed(key, 9, topic="elsewhere"),
        "signed for the topic with id ''": signed(key, 9, topic=""),
        "stands under the key 'm', and is of model 'n'": signed(key, 9, model="n"),
        "stands under the key 'm'": signed(key, 9, recipe=CANDIDATE),
    }
    newest.take("m", good)
    for why, manifest in wrong.items():
        with pytest.raises(SnapshotRefused, match=why):
            newest.take("m", manifest)
    assert newest.manifests == {"m": good}


def test_two_of_one_sequence(key: SigningKey, newest: NewestManifests) -> None:
    """The first of two manifests with the same sequence stays."""
    first = signed(key, 7)
    newest.take("m", first)
    with pytest.raises(SnapshotRefused, match="another manifest has its sequence 7"):
        newest.take("m", signed(key, 7, recipe=PRODUCTION))
    assert newest.manifests["m"] == first


def test_after_a_restart(key: SigningKey, newest: NewestManifests) -> None:
    """What an earlier run knew is not taken back, even where the log shows nothing newer; the same is taken again."""
    old, new = signed(key, 1), signed(key, 2)
    newest.take("m", old)
    newest.take("m", new)
    again = NewestManifests(lambda: keyring_of(key), topic_id=TOPIC, seen=newest.seen)
    assert again.lacking() == ["m"]
    with pytest.raises(OlderManifest):
        again.take("m", old)
    assert again.manifests == {}
    assert again.take("m", new)
    assert again.lacking() == []


def test_withdrawals_are_signed(key: SigningKey, newest: NewestManifests) -> None:
    """Production in charge, and a candidate without chunks, withdraw what is older, and hold nothing to unpickle."""
    newest.take("m", signed(key, 1))
    over = signed(key, 2, recipe=PRODUCTION)
    assert newest.take("m", over)
    assert unpack(over, {}, keyring_of(key), dict, LIMIT) is None
    with pytest.raises(OlderManifest):
        newest.take("m", signed(key, 1))
    newest.take("m/candidate", signed(key, 1, recipe=CANDIDATE))
    lineage = Lineage(model="m", version="m-1", recipe=CANDIDATE, created_at=5, sequence=2, topic_id=TOPIC)
    gone = pack(None, lineage, key, LIMIT).manifest
    assert newest.take("m/candidate", gone)
    assert unpack(gone, {}, keyring_of(key), dict, LIMIT) is None


def test_another_numpy_is_refused(key: SigningKey) -> None:
    """Arrays of another NumPy may be read wrongly: major and minor version count, the rest does not."""
    manifest = signed(key, 1)
    major, minor, *_ = manifest.numpy.split(".")

    def made_with(numpy: str) -> Manifest:
        changed = msgspec.structs.replace(manifest, numpy=numpy, signature=b"")
        raw = msgspec.json.encode(changed, order="deterministic")
        return msgspec.structs.replace(changed, signature=key.sign(raw))

    assert verified(made_with(f"{major}.{minor}.99"), keyring_of(key), LIMIT)
    for other in (f"{major}.{int(minor) + 1}.0", f"{int(major) - 1}.{minor}.0", ""):
        with pytest.raises(SnapshotRefused, match="made with NumPy"):
            verified(made_with(other), keyring_of(key), LIMIT)
