"""The data folder: one owner, its secrets, and the addresses of what runs in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import secrets
import time
from collections.abc import Iterator
from typing import IO

import msgspec

from schemas.json_text.errors import UNREADABLE
from streams.admin.access import USERS
from watchloop.errors import FolderTaken, NoAccess
from watchloop.processes.private_files import (
    check_folder,
    check_tree,
    open_private,
    owned_by_others,
    private_umask,
    read_private,
    write_private,
)

__all__ = ["ClickHouseEndpoint", "DataFolder", "Endpoints", "Secrets"]

SERVERS_OWN = frozenset({"clickhouse", *(f"kafka/node-{node}/data" for node in (1, 2, 3))})
"""Folders in which a server alone opens files, and may have links."""
SECRET = frozenset({"secrets.json", "endpoints.json", "keys"})
PUBLIC = frozenset({"keys/public"})

OWN_SECONDS_MAX = 0.5
"""How long ``own`` tries: a program that only looks whether the folder is owned holds the lock for an instant."""


class ClickHouseEndpoint(msgspec.Struct, frozen=True):
    """The URL of ClickHouse, and the passwords of its users by name."""

    url: str
    users: dict[str, str]


class Endpoints(msgspec.Struct, frozen=True):
    """The content of ``endpoints.json``. ``kafka`` is the address for producers: the plain one if it is open."""

    kafka: str
    clickhouse: ClickHouseEndpoint
    console: str
    kafka_users_bootstrap: str = ""
    """The address at which the users of the embedded Kafka sign in."""
    kafka_users: dict[str, str] = {}
    """Their passwords by name."""
    process: int = 0
    """Process id of the program that wrote it."""


class Secrets(msgspec.Struct, frozen=True):
    """The content of ``secrets.json``, made at the first start; its owner alone may read it."""

    clickhouse_users: dict[str, str]
    console_secret: str
    kafka_users: dict[str, str] = {}
    people: dict[str, str] = {}
    """Passwords of the demo's people, by name."""


class DataFolder:
    """The data folder at ``path``. Its owner alone may read it, and one program at a time owns it: see ``own``."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.absolute()

    def check(self) -> None:
        """Make the folder if there is none. Raises NoAccess where others may read or write in it."""
        check_folder(self.path)
        check_tree(self.path, skipped=SERVERS_OWN, secret=SECRET, public=PUBLIC)

    def notes(self) -> list[str]:
        """A line for each other account that could replace the folder, and so has to be trusted."""
        return [
            f"note: {above} belongs to another account (user id {above.stat().st_uid}), which can put another folder in"
            f" the place of {self.path}; it is trusted as root is"
            for above in owned_by_others(self.path)
        ]

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """Own the folder: no other program uses it, and only its owner may read new files.

        Raises FolderTaken or NoAccess.
        """
        lock = self._open_lock()
        if not _locked(lock, fcntl.LOCK_EX, OWN_SECONDS_MAX):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise FolderTaken(
                f"{self.path}: in use by another watchloop (process {owner}); stop it, or name another folder: --data"
            )
        try:
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            self.withdraw_endpoints()
            try:
                with private_umask():
                    yield
            finally:
                self.withdraw_endpoints()
        finally:
            lock.close()

    def withdraw_endpoints(self) -> None:
        """Remove ``endpoints.json``, so that other commands send no password. Raises NoAccess."""
        try:
            self.endpoints_file.unlink(missing_ok=True)
        except OSError as error:
            raise NoAccess(f"{self.endpoints_file}: cannot be removed ({error.strerror}); move it away") from error

    def _open_lock(self) -> IO[str]:
        self.check()
        try:
            return open_private(self.path / "lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise NoAccess(f"{self.path / 'lock'}: cannot be written ({error.strerror})") from error

    def is_owned(self) -> bool:
        """Whether a running program owns the folder. Raises NoAccess where the lock cannot be read."""
        try:
            with open_private(self.path / "lock", os.O_RDONLY) as lock:
                return not _locked(lock, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise NoAccess(f"{self.path / 'lock'}: cannot be read ({error.strerror})") from error

    @property
    def endpoints_file(self) -> pathlib.Path:
        """The file of addresses and passwords, which exists while the program runs."""
        return self.path / "endpoints.json"

    @property
    def log(self) -> pathlib.Path:
        """The folder of the workers' logs."""
        return self.path / "log"

    def secrets(self) -> Secrets:
        """The secrets of this folder; missing ones are made and stored. Raises NoAccess."""
        file = self.path / "secrets.json"
        try:
            kept = msgspec.json.decode(read_private(file), type=Secrets)
        except FileNotFoundError:
            kept = Secrets(
                clickhouse_users={"watchloop": secrets.token_urlsafe(18), "analyst": secrets.token_urlsafe(18)},
                console_secret=secrets.token_hex(32),
            )
        except UNREADABLE as error:
            raise NoAccess(f"{file}: cannot be read: {error}; put it right, or name another folder: --data") from error
        if lacking := [user for user in USERS if user not in kept.kafka_users]:
            users = kept.kafka_users | {user: secrets.token_urlsafe(24) for user in lacking}
            kept = msgspec.structs.replace(kept, kafka_users=users)
            write_private(file, msgspec.json.encode(kept))
        return kept

    def keep_people(self, people: dict[str, str]) -> None:
        """Store the passwords of the demo's people."""
        kept = msgspec.structs.replace(self.secrets(), people=people)
        write_private(self.path / "secrets.json", msgspec.json.encode(kept))

    def endpoints(self) -> Endpoints | None:
        """The endpoints of the program that runs in this folder, or None; the file of a killed one is ignored.

        Raises NoAccess where others may read or write in the folder. A folder that no program has owned, such as one of
        tables that is called ``data``, is not checked.
        """
        if os.path.lexists(self.path / "lock"):
            self.check()
        if not self.is_owned():
            return None
        try:
            endpoints = msgspec.json.decode(read_private(self.endpoints_file), type=Endpoints)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise NoAccess(f"{self.endpoints_file}: cannot be read: {error}") from error
        # A program that has just taken the folder may not have removed the file of a killed one yet.
        return endpoints if not endpoints.process or _runs(endpoints.process) else None

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Write the addresses and passwords of this process's servers, for the owner alone to read."""
        written = msgspec.structs.replace(endpoints, process=os.getpid())
        write_private(self.endpoints_file, msgspec.json.format(msgspec.json.encode(written)))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs under another account
        return True
    return True


def _locked(lock: IO[str], mode: int, seconds_max: float = 0.0) -> bool:
    """Whether the lock could be taken within so long; ``mode`` is ``LOCK_EX`` or ``LOCK_SH`` of flock(2)."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            return True
