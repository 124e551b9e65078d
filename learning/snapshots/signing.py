"""Signatures of snapshots, which are unpickled: Ed25519 (RFC 8032), public keys by key id."""

from __future__ import annotations

import hashlib
import os
import pathlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.kept_files import read_kept

__all__ = ["KeyFileError", "Keyring", "SigningKey"]

KEY_MODE = 0o600
KEY_ID_CHARS = 16
KEYS_MAX = 1_000
KEY_BYTES_MAX = 64 * 1024
SUFFIX = ".pub"


class KeyFileError(Exception):
    """A key file cannot be used; the text says which one and why."""


def key_id_of(public: bytes) -> str:
    """The id of a raw public key: the first KEY_ID_CHARS hexadecimal digits of its sha256.

    >>> key_id_of(bytes(32))
    '66687aadf862bd77'
    """
    return hashlib.sha256(public).hexdigest()[:KEY_ID_CHARS]


class SigningKey:
    """The private key; only LEARN holds it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_bytes = key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_bytes)

    @classmethod
    def load_or_create(cls, path: pathlib.Path) -> SigningKey:
        """Read the key of a file (PKCS #8, PEM), or make one that only its owner may read; raises KeyFileError."""
        try:
            if not path.exists():
                cls._create(path)
            if path.stat().st_mode & 0o077:
                raise KeyFileError(f"{path}: others may read this signing key, expected mode 0600")
            key = serialization.load_pem_private_key(read_kept(path, KEY_BYTES_MAX, follows_links=True), password=None)
        except OSError as error:
            raise KeyFileError(f"{path}: cannot read or write the signing key: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise KeyFileError(f"{path}: not a private key in PEM without a password") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path}: not an Ed25519 key")
        return cls(key)

    @staticmethod
    def _create(path: pathlib.Path) -> None:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and linked into place, so that two starts at once agree on one key and none is half written.
        beside = path.with_name(f"{path.name}.{os.getpid()}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
            if not path.exists():
                os.link(beside, path)
        except FileExistsError:  # another program was first: its key counts
            return
        finally:
            beside.unlink()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return self._key.sign(message)

    def publish(self, folder: pathlib.Path) -> pathlib.Path:
        """Write the public key as FOLDER/KEY_ID.pub (hexadecimal), where a Keyring finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.key_id}{SUFFIX}"
        path.write_text(self.public_bytes.hex() + "\n")
        return path


class Keyring:
    """The public keys of those who may sign, by key id."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = {key_id: Ed25519PublicKey.from_public_bytes(raw) for key_id, raw in keys.items()}

    @classmethod
    def from_folder(cls, folder: pathlib.Path) -> Keyring:
        """Read every ``*.pub`` of a folder, at most KEYS_MAX; raises KeyFileError."""
        keys: dict[str, bytes] = {}
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        if len(paths) > KEYS_MAX:
            raise KeyFileError(f"{folder}: {len(paths)} public keys, at most {KEYS_MAX} are read")
        for path in paths:
            try:
                raw = bytes.fromhex(read_kept(path, KEY_BYTES_MAX, follows_links=True).decode("ascii").strip())
                Ed25519PublicKey.from_public_bytes(raw)
            except (OSError, ValueError) as error:
                raise KeyFileError(f"{path}: not a public key of 32 bytes in hexadecimal") from error
            if path.name.removesuffix(SUFFIX) != key_id_of(raw):
                raise KeyFileError(f"{path}: the name does not fit the key, expected {key_id_of(raw)}{SUFFIX}")
            keys[key_id_of(raw)] = raw
        return cls(keys)

    def knows(self, key_id: str) -> bool:
        """Whether the keyring has a key of that id."""
        return key_id in self._keys

    def verifies(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether the key of that id made the signature."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
