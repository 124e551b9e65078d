"""A snapshot is used only if everything about it is right."""

from __future__ import annotations

import hashlib
import pathlib
import pickle
import stat
import zlib

import msgspec
import pytest

from learning.learner import Learner
from learning.serving import ServingModel
from learning.snapshots.signing import KeyFileError, Keyring, SigningKey
from learning.snapshots.snapshot import Lineage, Snapshot, SnapshotRefused, chunk_key, pack, unpack
from schemas.wire.manifest import CHUNK_BYTES_MAX, PRODUCTION
from tests.support.learned_one import keyring_of

LIMIT = 8 * 1024 * 1024
LINEAGE = Lineage(model="m", version="m-1", recipe="stack", created_at=5, parent="production", corrections=3)


class Trap:
    """Something that must never be unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a snapshot was unpickled before it was verified",))


@pytest.fixture
def key(tmp_path: pathlib.Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")


def refused(snapshot: Snapshot, keyring: Keyring, limit: int = LIMIT) -> str:
    with pytest.raises(SnapshotRefused) as caught:
        unpack(snapshot.manifest, snapshot.chunks, keyring, dict, limit)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def altered(snapshot: Snapshot, key: SigningKey | None = None, **changes: object) -> Snapshot:
    """The snapshot with another manifest, signed again where a key is given."""
    manifest = msgspec.structs.replace(snapshot.manifest, **changes)
    if key is not None:
        unsigned = msgspec.structs.replace(manifest, signature=b"")
        manifest = msgspec.structs.replace(
            manifest, signature=key.sign(msgspec.json.encode(unsigned, order="deterministic"))
        )
    return Snapshot(manifest, snapshot.chunks)


def test_round_trip_in_many_chunks(key: SigningKey) -> None:
    """A value larger than one chunk comes back; the chunks are bounded and named MODEL/VERSION/N."""
    import random

    value = {"bytes": random.Random(1).randbytes(3 * CHUNK_BYTES_MAX)}
    snapshot = pack(value, LINEAGE, key, LIMIT)
    assert snapshot.manifest.chunks == len(snapshot.chunks) == 4
    assert chunk_key("m", "m-1", 3) in snapshot.chunks
    assert max(map(len, snapshot.chunks.values())) <= CHUNK_BYTES_MAX
    assert unpack(snapshot.manifest, snapshot.chunks, keyring_of(key), dict, LIMIT) == value


def test_manifest_survives_the_wire(key: SigningKey) -> None:
    """The signature still fits after the manifest has travelled as JSON."""
    snapshot = pack({"a": 1}, LINEAGE, key, LIMIT)
    manifest = msgspec.json.decode(msgspec.json.encode(snapshot.manifest), type=type(snapshot.manifest))
    assert unpack(manifest, snapshot.chunks, keyring_of(key), dict, LIMIT) == {"a": 1}


def test_production_needs_no_chunks(key: SigningKey) -> None:
    """A return to production is a signed manifest alone."""
    lineage = Lineage(model="m", version="m-2", recipe=PRODUCTION, created_at=5)
    snapshot = pack(None, lineage, key, LIMIT)
    assert snapshot.chunks == {}
    assert unpack(snapshot.manifest, {}, keyring_of(key), dict, LIMIT) is None


def test_unknown_key_and_wrong_signature_are_refused_before_unpickling(key: SigningKey, tmp_path) -> None:
    """Nothing of a snapshot runs unless a known key signed exactly this manifest."""
    other = SigningKey.load_or_create(tmp_path / "other.pem")
    trap = pack(Trap(), LINEAGE, other, LIMIT)
    assert "not in the keyring" in refused(trap, keyring_of(key))
    forged = altered(trap, key_id=key.key_id)
    assert "the signature does not fit" in refused(forged, keyring_of(key))
    changed = altered(pack({}, LINEAGE, key, LIMIT), version="m-7")
    assert "the signature does not fit" in refused(changed, keyring_of(key))


@pytest.mark.parametrize(("field", "name"), [("python", "Python"), ("river", "River")])
def test_other_versions_are_refused(key: SigningKey, field: str, name: str) -> None:
    """A pickle of another Python or River is not touched."""
    snapshot = altered(pack(Trap(), LINEAGE, key, LIMIT), key, **{field: "1.0"})
    assert f"made with {name} 1.0" in refused(snapshot, keyring_of(key))


def test_damaged_chunks_are_refused(key: SigningKey) -> None:
    """Missing, changed, longer or shorter bytes are named."""
    snapshot = pack(Trap(), LINEAGE, key, LIMIT)
    (name, data), *_ = snapshot.chunks.items()
    ring = keyring_of(key)
    assert f"chunk {name} is missing" in refused(Snapshot(snapshot.manifest, {}), ring)
    assert "do not fit the manifest's sha256" in refused(
        Snapshot(snapshot.manifest, {name: data[:-1] + bytes([data[-1] ^ 1])}), ring
    )
    assert "more bytes than" in refused(Snapshot(snapshot.manifest, {name: data + b"x"}), ring)
    assert "the manifest says" in refused(Snapshot(snapshot.manifest, {name: data[:-1]}), ring)


def test_sizes_are_bounded(key: SigningKey) -> None:
    """Too large to write, too large to read, and a small file that would unpack to a large one: all refused."""
    with pytest.raises(SnapshotRefused, match="at most 2000 are allowed"):
        pack({"zeros": bytes(10_000)}, LINEAGE, key, 2_000)
    snapshot = pack({"zeros": bytes(100_000)}, LINEAGE, key, LIMIT)
    assert len(zlib.compress(pickle.dumps(bytes(100_000)))) < 2_000
    assert "longer than 2000 bytes" in refused(snapshot, keyring_of(key), 2_000)
    assert "are allowed" in refused(altered(snapshot, key, size_bytes=LIMIT + 1), keyring_of(key))
    assert "chunks do not fit" in refused(altered(snapshot, key, chunks=9), keyring_of(key))


def test_wrong_kind_is_refused(key: SigningKey) -> None:
    """A checkpoint is not a serving model."""
    assert "holds a list, expected a dict" in refused(pack([1], LINEAGE, key, LIMIT), keyring_of(key))


@pytest.mark.parametrize(
    "gone",
    [
        b"clearning.no_such_room\nModel\n.",
        b"clearning.serving\nNoSuchModel\n.",
        b"clearning.serving\nScores\n(I1\ntR.",  # fewer fields than the class has now
        b"cbuiltins\nint\n(Vtwo\\u000alines\ntR.",
        b"",
    ],
)
def test_a_model_of_another_version_of_the_program_is_refused(key: SigningKey, gone: bytes) -> None:
    """What was pickled by classes that have moved since cannot be read: a line says so, and no traceback."""
    data = zlib.compress(gone)
    packed = pack({}, LINEAGE, key, LIMIT)
    snapshot = altered(packed, key, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), chunks=1)
    snapshot = Snapshot(snapshot.manifest, dict.fromkeys(packed.chunks, data))
    why = refused(snapshot, keyring_of(key))
    assert "made by another version of watchloop" in why
    assert "\n" not in why


def test_serving_model_and_checkpoint_travel(key: SigningKey, corrections, settings) -> None:
    """The serving model answers the same on the other side, and a learner's checkpoint is restored whole."""
    learner = Learner("m", settings)
    for correction in corrections(120):
        learner.learn(correction)
    assert learner.serving is not None
    ring = keyring_of(key)
    sent = pack(learner.serving, LINEAGE, key, LIMIT)
    serving = unpack(sent.manifest, sent.chunks, ring, ServingModel, LIMIT)
    assert serving is not None
    asked = ({"x": 0.7, "colour": "red", "noise": 0.1}, "yes", 0.8)
    assert serving.predict_proba_one(*asked) == learner.serving.predict_proba_one(*asked)
    saved = pack(learner, LINEAGE, key, LIMIT)
    restored = unpack(saved.manifest, saved.chunks, ring, Learner, LIMIT)
    assert restored is not None
    assert (restored.version, restored.corrections) == (learner.version, 120)


def test_signing_key_is_private_and_stays(tmp_path: pathlib.Path) -> None:
    """Made once, mode 0600, read again; its public half is found by key id."""
    path = tmp_path / "signing.pem"
    key = SigningKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load_or_create(path).key_id == key.key_id
    key.publish(tmp_path / "public")
    ring = Keyring.from_folder(tmp_path / "public")
    assert ring.knows(key.key_id)
    assert ring.verifies(key.key_id, b"m", key.sign(b"m"))
    assert not ring.verifies(key.key_id, b"n", key.sign(b"m"))
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_key_files_that_cannot_be_used_say_why(tmp_path: pathlib.Path) -> None:
    """Readable by others, not a key, misnamed: one line each."""
    path = tmp_path / "signing.pem"
    SigningKey.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="expected mode 0600"):
        SigningKey.load_or_create(path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(KeyFileError, match="not a private key in PEM"):
        SigningKey.load_or_create(path)
    (tmp_path / "abc.pub").write_text("zz")
    with pytest.raises(KeyFileError, match="not a public key of 32 bytes"):
        Keyring.from_folder(tmp_path)
    (tmp_path / "abc.pub").write_text("11" * 32)
    with pytest.raises(KeyFileError, match="the name does not fit the key"):
        Keyring.from_folder(tmp_path)
