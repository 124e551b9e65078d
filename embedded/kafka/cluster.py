"""The folder of the embedded cluster: its id, its ports and its files, and whether another Kafka uses it."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from embedded.errors import KafkaFolderBusy, KafkaFolderMismatch
from embedded.kafka.certificate import write_certificate
from embedded.kafka.java import KAFKA_VERSION
from embedded.kafka.node import (
    HOST,
    LOG_CONFIG_FILE,
    NodePorts,
    log4j2_properties,
    server_properties,
    temporary_folder,
)
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.kept_files import read_kept

__all__ = ["Cluster", "free_ports", "is_free", "new_cluster_id"]

NOTES_FILE: Final = "cluster.json"
NOTES_BYTES_MAX: Final = 64 * 1024
UNREADABLE_NOTES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
POLL_SECONDS: Final = 0.1
PORTS: Final = len(NodePorts.__struct_fields__)


class Notes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``cluster.json``."""

    cluster_id: str
    ports: list[NodePorts]
    kafka_version: str = "4.4.0"
    """The version that wrote the folder; folders without one are of this version."""


class Cluster:
    """The cluster in ``folder``: ``cluster.json``, ``log/``, and ``node-N/`` with ``server.properties`` and ``data/``.

    ``on_wait`` is called again and again while ``prepare`` waits; an exception that it raises ends the wait.
    """

    def __init__(
        self,
        folder: Path,
        settings: EmbeddedKafkaSettings,
        message_bytes_max: int,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.message_bytes_max = message_bytes_max
        self._on_wait = on_wait
        self.cluster_id = ""
        self.ports: list[NodePorts] = []

    @property
    def nodes(self) -> range:
        """The nodes' numbers, from 1."""
        return range(1, self.settings.nodes + 1)

    def properties_file(self, node: int) -> str:
        """A node's properties, relative to the folder."""
        return f"node-{node}/server.properties"

    def log_file(self, node: int) -> Path:
        """The file in which Kafka logs on node ``node`` (counted from 1); begun anew when it has its size."""
        return self.folder / "log" / f"node-{node}.log"

    def console_file(self, node: int) -> Path:
        """The output of the Java runtime itself; begun anew at each start."""
        return self.folder / "log" / f"node-{node}.console"

    def empty_temporary(self, node: int) -> None:
        """Make a node's folder for temporary files anew, without the files that a killed process left in it."""
        folder = self.folder / temporary_folder(node)
        shutil.rmtree(folder, ignore_errors=True)
        with _private():
            folder.mkdir(exist_ok=True)

    def unformatted(self) -> list[int]:
        """The nodes without a prepared data folder."""
        return [node for node in self.nodes if not (self._data(node) / "meta.properties").is_file()]

    def prepare(self) -> None:
        """Make the folder ready for a start: write id, ports and configuration, and wait until no other Kafka uses it.

        Raises ``KafkaFolderMismatch`` or ``KafkaFolderBusy``.
        """
        with _private():
            for node in self.nodes:
                self._data(node).mkdir(parents=True, exist_ok=True)
            (self.folder / "log").mkdir(exist_ok=True)
        self._wait_until_unused()
        notes = self._read_notes()
        self.cluster_id = notes.cluster_id if notes else new_cluster_id(os.urandom(16))
        self.ports = notes.ports if notes else []
        known = [port for ports in self.ports for port in msgspec.structs.astuple(ports) if port]
        if not known or not all(is_free(port) for port in known):
            self.choose_ports()
        else:
            self.ports = [_completed(ports) for ports in self.ports]
            self._write()

    def choose_ports(self) -> None:
        """New free ports for every node."""
        free = free_ports(PORTS * self.settings.nodes)
        self.ports = [NodePorts(*free[PORTS * n : PORTS * (n + 1)]) for n in range(self.settings.nodes)]
        self._write()

    def _data(self, node: int) -> Path:
        return self.folder / f"node-{node}" / "data"

    def _write(self) -> None:
        with _private():
            notes = self.folder / NOTES_FILE
            new = notes.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(Notes(self.cluster_id, self.ports, KAFKA_VERSION)))
            new.replace(notes)
            (self.folder / LOG_CONFIG_FILE).write_text(log4j2_properties(self.settings), encoding="latin-1")
            for node in self.nodes:
                text = server_properties(node, self.ports, self.settings, self.message_bytes_max)
                (self.folder / self.properties_file(node)).write_text(text, encoding="latin-1")
            write_certificate(self.folder, HOST, dt.datetime.now(dt.UTC))

    def _read_notes(self) -> Notes | None:
        path = self.folder / NOTES_FILE
        try:
            notes = msgspec.json.decode(read_kept(path, NOTES_BYTES_MAX), type=Notes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KafkaFolderMismatch(f"{path} {error.strerror}: restore it, or use another --data") from None
        except UNREADABLE_NOTES as error:
            raise KafkaFolderMismatch(f"{path} cannot be read ({error}): restore it, or use another --data") from None
        if len(notes.ports) != self.settings.nodes:
            raise KafkaFolderMismatch(
                f"{self.folder} holds a Kafka of {len(notes.ports)} nodes, embedded_kafka.nodes asks for "
                f"{self.settings.nodes}: set it back, or use another --data"
            )
        if _parts(notes.kafka_version) > _parts(KAFKA_VERSION):
            raise KafkaFolderMismatch(
                f"{self.folder} was written by Kafka {notes.kafka_version}, which Kafka {KAFKA_VERSION} of this "
                "watchloop cannot read: use another --data, or the watchloop that wrote it"
            )
        return notes

    def _wait_until_unused(self) -> None:
        """Wait for a Kafka that is still closing its log in this folder, because its parent was killed."""
        deadline = time.monotonic() + self.settings.stop_seconds_max
        while used := [node for node in self.nodes if _is_locked(self._data(node) / ".lock")]:
            if time.monotonic() > deadline:
                raise KafkaFolderBusy(
                    f"another Kafka process uses {self._data(used[0])}: stop it, or use another --data"
                )
            self._on_wait()
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """Inside this context only their owner may read new files and folders."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _completed(ports: NodePorts) -> NodePorts:
    """The ports with new ones for those listeners that have none yet."""
    missing = [name for name in ports.__struct_fields__ if not getattr(ports, name)]
    return msgspec.structs.replace(ports, **dict(zip(missing, free_ports(len(missing)), strict=True)))


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def new_cluster_id(random_bytes: bytes) -> str:
    """A cluster id of 16 random bytes, in URL-safe base64 as Kafka spells it; Kafka refuses a leading dash.

    >>> new_cluster_id(bytes(16))
    'AAAAAAAAAAAAAAAAAAAAAA'
    """
    text = base64.urlsafe_b64encode(random_bytes).decode().rstrip("=")
    return "A" + text[1:] if text.startswith("-") else text


def free_ports(count: int) -> list[int]:
    """``count`` different ports of loopback on which nothing listens now."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((HOST, 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _is_locked(path: Path) -> bool:
    """Whether a process holds Kafka's lock on a data folder (Java takes it by fcntl)."""
    if not path.is_file():
        return False
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # the lock is another's
            return True
    return False
