"""Whatever stands in the place of a file of the data folder: one clear line that names it, no traceback, no hang."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable

import pytest
import structlog

from agents.shared.seen_models import read_seen, write_seen
from embedded.errors import KafkaFolderMismatch
from embedded.kafka.cluster import Cluster
from embedded.kafka.settings import EmbeddedKafkaSettings
from learning.snapshots.signing import KeyFileError, Keyring, SigningKey
from watchloop.errors import NoAccess
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints

HUGE_BYTES = 64 * 1024 * 1024


def huge(path: pathlib.Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


def linked(path: pathlib.Path) -> None:
    target = path.with_name("elsewhere")
    target.write_text("{}")
    path.symlink_to(target)


ODD_FILES: dict[str, Callable[[pathlib.Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"\xff\x00{garbage"),
    "half of it": lambda path: path.write_bytes(b'{"kafka": "'),
    "not UTF-8 in a text": lambda path: path.write_bytes(b'{"\xff": "\xfe"}'),
    "nested": lambda path: path.write_bytes(b"[" * 50_000),
    "another type": lambda path: path.write_bytes(b"[1]"),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "a link": linked,
    "a dead link": lambda path: path.symlink_to("nowhere"),
    "a FIFO": os.mkfifo,
    "huge": huge,
    "not to be read": lambda path: (path.write_bytes(b"{}"), path.chmod(0)),
}


def endpoints(data: pathlib.Path) -> None:
    folder = DataFolder(data)
    with folder.own():
        made = data / "endpoints.json"
        odd = data.with_name("odd")
        folder.write_endpoints(Endpoints(kafka="k", clickhouse=ClickHouseEndpoint(url="u", users={}), console="c"))
        made.unlink()
        odd.rename(made)
        folder.endpoints()


def secrets(data: pathlib.Path) -> None:
    folder = DataFolder(data)
    with folder.own():
        folder.secrets()


def cluster(data: pathlib.Path) -> None:
    Cluster(data / "kafka", EmbeddedKafkaSettings(), 4 * 1024 * 1024).prepare()


def signing_key(data: pathlib.Path) -> None:
    SigningKey.load_or_create(data / "keys" / "signing.pem")


def public_key(data: pathlib.Path) -> None:
    Keyring.from_folder(data / "keys" / "public")


READERS = {
    "secrets.json": secrets,
    "kafka/cluster.json": cluster,
    "keys/signing.pem": signing_key,
    "keys/public/0123456789abcdef.pub": public_key,
}


def put(path: pathlib.Path, odd: str) -> None:
    before = os.umask(0o077)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ODD_FILES[odd](path)
    finally:
        os.umask(before)
    if odd == "not to be read" and os.geteuid() == 0:
        pytest.skip("root reads everything")


@pytest.mark.parametrize("odd", ODD_FILES)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_none_ends_a_start_in_one_line(tmp_path: pathlib.Path, name: str, odd: str) -> None:
    """The line names the file, whoever reads it."""
    data = tmp_path / "data"
    data.mkdir(0o700)
    put(data / name, odd)
    with pytest.raises((NoAccess, KafkaFolderMismatch, KeyFileError)) as error:
        READERS[name](data)
    line = str(error.value)
    assert str(data / name) in line
    assert line.isprintable()
    assert len(line) < 1_000


@pytest.mark.parametrize("odd", ODD_FILES)
def test_addresses_that_are_none_are_one_line(tmp_path: pathlib.Path, odd: str) -> None:
    """While a program runs, and something else has come into the place of its endpoints.json."""
    data = tmp_path / "data"
    put(tmp_path / "odd", odd)
    with pytest.raises(NoAccess) as error:
        endpoints(data)
    assert str(data / "endpoints.json") in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("odd", ODD_FILES)
def test_what_is_left_of_a_killed_program_stops_no_start(tmp_path: pathlib.Path, odd: str) -> None:
    """A start takes an endpoints.json away that nobody reads any more, or says in a line that it cannot."""
    data = tmp_path / "data"
    data.mkdir(0o700)
    put(data / "endpoints.json", odd)
    if odd in {"a folder", "a link", "a dead link", "a FIFO"}:
        with pytest.raises(NoAccess, match=re.escape(str(data / "endpoints.json"))), DataFolder(data).own():
            pass
        return
    with DataFolder(data).own():
        assert not os.path.lexists(data / "endpoints.json")


@pytest.mark.parametrize("odd", ODD_FILES)
def test_manifests_known_before_that_cannot_be_read_are_one_line(tmp_path: pathlib.Path, odd: str) -> None:
    """LEARN and INTAKE go on without the file and log one line; the file is written anew, unless a folder is there."""
    path = tmp_path / "state" / "models-intake-0.json"
    put(path, odd)
    with structlog.testing.capture_logs() as lines:
        assert read_seen(path, "id") == {}
        write_seen(path, "id", {})
    (first, *more) = lines
    assert first["file"] == str(path)
    assert first["why"]
    assert first["why"].isprintable()
    assert len(more) == (odd == "a folder")
    if not more:
        with structlog.testing.capture_logs() as lines:
            assert read_seen(path, "id") == {}
        assert lines == []


def test_a_file_in_the_place_of_the_state_folder_is_one_line(tmp_path: pathlib.Path) -> None:
    """Nothing is kept then, and the log says so."""
    (tmp_path / "state").write_text("")
    with structlog.testing.capture_logs() as lines:
        read_seen(tmp_path / "state" / "models-learn.json", "id")
        write_seen(tmp_path / "state" / "models-learn.json", "id", {})
    assert len(lines) == 2
    assert all("exc_info" not in line for line in lines)
