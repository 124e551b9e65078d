"""Jars of a lock file: they are fetched and checked, or one line says why not."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import jars
from embedded.errors import JarMismatch, JarsMissing
from embedded.jars import Jar
from embedded.kafka.java import JARS_VARIABLE, KAFKA_COORDINATES, LOCK_FILE, resolve_jars
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True)


@pytest.fixture(scope="module")
def locked() -> list[Path]:
    """The real jars, fetched if need be."""
    return resolve_jars()


@pytest.fixture
def folder(tmp_path: Path, locked: list[Path]) -> Path:
    """All jars in one flat folder."""
    flat = tmp_path / "jars"
    flat.mkdir()
    for path in locked:
        (flat / path.name).symlink_to(path)
    return flat


def test_lock_file_names_kafka_and_what_it_needs() -> None:
    """The lock file of the project holds the release that the code names, each jar once."""
    locked = jars.read_lock(LOCK_FILE)
    names = [f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked]
    assert KAFKA_COORDINATES in names
    assert len(set(names)) == len(names) > 40


@given(st.lists(st.builds(Jar, NAMES, NAMES, NAMES, st.text("0123456789abcdef", min_size=64, max_size=64))))
@settings(max_examples=30)
def test_lock_file_round_trip(tmp_path_factory: pytest.TempPathFactory, some: list[Jar]) -> None:
    """A lock file that is written is read back the same."""
    path = tmp_path_factory.mktemp("lock") / "jars.lock"
    jars.write_lock(some, path)
    assert jars.read_lock(path) == some


def test_wrong_line_of_the_lock_file_is_named(tmp_path: Path) -> None:
    """The error names the wrong line of a lock file, and says what a line should be."""
    path = tmp_path / "jars.lock"
    path.write_text("# fine\na:b:1 short\n")
    with pytest.raises(JarMismatch, match=r"line 2 is not `group:artifact:version sha256`: a:b:1 short"):
        jars.read_lock(path)


def test_lock_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The error names a lock file that is absent, or no text."""
    path = tmp_path / "jars.lock"
    with pytest.raises(JarMismatch, match=r"jars\.lock: the lock file cannot be read \(No such file or directory\)"):
        jars.read_lock(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(JarMismatch, match=r"cannot be read \(not UTF-8\)"):
        jars.read_lock(path)


def test_named_folder_is_used(folder: Path) -> None:
    """WATCHLOOP_KAFKA_JARS takes the place of the local repository."""
    paths = resolve_jars(environ={JARS_VARIABLE: str(folder)})
    assert {path.parent for path in paths} == {folder}


def test_wrong_jar_is_refused(folder: Path) -> None:
    """A jar with one changed byte is refused; the line names the file and says what to do."""
    victim = folder / jars.read_lock(LOCK_FILE)[5].file_name
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.unlink()
    victim.write_bytes(content)
    with pytest.raises(JarMismatch, match="delete it") as caught:
        resolve_jars(environ={JARS_VARIABLE: str(folder)})
    assert str(victim) in str(caught.value)


def test_jar_that_cannot_be_read(folder: Path) -> None:
    """The line names what stands in the place of a jar, and both ways out."""
    jar = jars.read_lock(LOCK_FILE)[5]
    victim = folder / jar.file_name
    victim.unlink()
    victim.mkdir()
    with pytest.raises(JarsMissing, match=rf"{jar.file_name}: cannot be read \(Is a directory\); put"):
        jars.check(jars.JarSet("Kafka", LOCK_FILE, "put it there"), jar, victim)


def test_repository_that_may_not_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jars count as absent, so that the line about fetching them names the repository."""

    def refused(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    webjars = jars.JarSet("Kafka", LOCK_FILE, "put it there")
    assert jars.absent(webjars, {"M2_REPO": str(tmp_path)}) == jars.read_lock(LOCK_FILE)


def test_repository_of_nobody() -> None:
    """An account without a home, or a home of nobody, is one line that says what to set."""
    with pytest.raises(JarsMissing, match=r"repository ~nobody-is-called-so/jars cannot be found .*M2_REPO"):
        jars.local_repository({"M2_REPO": "~nobody-is-called-so/jars"})
    assert jars.local_repository({}) == Path.home() / ".m2" / "repository"
    assert jars.local_repository({"M2_REPO": "/srv/jars"}) == Path("/srv/jars")


def test_absent_jar_in_the_named_folder(folder: Path) -> None:
    """The line names the folder that lacks a jar, the first absent jar, and both ways out."""
    victim = folder / jars.read_lock(LOCK_FILE)[7].file_name
    victim.unlink()
    with pytest.raises(JarsMissing, match=f"1 of Kafka's .*{victim.name}.*{JARS_VARIABLE}.*--kafka"):
        resolve_jars(environ={JARS_VARIABLE: str(folder)})


def test_named_folder_must_exist(tmp_path: Path) -> None:
    """The line names the path that is no folder."""
    with pytest.raises(JarsMissing, match=r"absent, which is not a folder.*--kafka"):
        resolve_jars(environ={JARS_VARIABLE: str(tmp_path / "absent")})


@pytest.fixture
def served(tmp_path: Path, locked: list[Path]) -> Path:
    """All jars laid out as a Maven repository keeps them."""
    root = tmp_path / "served"
    for jar, path in zip(jars.read_lock(LOCK_FILE), locked, strict=True):
        (root / jar.repository_path).parent.mkdir(parents=True, exist_ok=True)
        (root / jar.repository_path).symlink_to(path)
    return root


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def mirror_of(folder: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment under which ``folder``, served over HTTP, is the only Maven repository."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        yield {"JGO_CONFIG_FILE": str(config), "no_proxy": "127.0.0.1"}
        server.shutdown()


def fetch(tmp_path: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """``python -m watchloop.processes.kafka_setup jars`` with an empty local repository."""
    env = {key: value for key, value in os.environ.items() if key != JARS_VARIABLE}
    env |= {"M2_REPO": str(tmp_path / "repository"), "XDG_CACHE_HOME": str(tmp_path / "cache"), **environ}
    command = [sys.executable, "-m", "watchloop.processes.kafka_setup", "jars"]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


def test_jars_are_fetched_with_progress(tmp_path: Path, locked: list[Path], served: Path) -> None:
    """All jars come into an empty repository, each with a line, and a class cache; a second call fetches nothing."""
    with mirror_of(served, tmp_path) as environ:
        first = fetch(tmp_path, environ)
    assert first.returncode == 0, first.stderr
    assert f"{len(locked)}/{len(locked)} jars" in first.stderr
    assert [path.suffix for path in (tmp_path / "cache" / "watchloop").iterdir()] == [".aot"]
    second = fetch(tmp_path, {})
    assert second.returncode == 0
    assert second.stderr.startswith(f"Kafka: {len(locked)} jars ready")


def test_wrong_jar_from_the_network_never_arrives(tmp_path: Path, locked: list[Path], served: Path) -> None:
    """A jar that a repository altered is refused before it gets into the local repository."""
    wrong = jars.read_lock(LOCK_FILE)[0]
    (served / wrong.repository_path).unlink()
    shutil.copy(locked[1], served / wrong.repository_path)
    with mirror_of(served, tmp_path) as environ:
        result = fetch(tmp_path, environ)
    assert result.returncode == 2
    assert f"{wrong.file_name} is not the one that {LOCK_FILE.name} names" in result.stderr.splitlines()[-1]
    assert not list((tmp_path / "repository").rglob("*.jar"))


def test_jars_that_cannot_be_had_are_one_line(tmp_path: Path) -> None:
    """Without a network the last line names the two ways out; there is no traceback, and the code is 2."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    result = fetch(tmp_path, {**nowhere, "JGO_CONFIG_FILE": str(tmp_path / "absent.conf")})
    lines = result.stderr.splitlines()
    assert result.returncode == 2
    assert len(lines) == 2, result.stderr
    assert lines[0].startswith("Kafka: fetching")
    assert JARS_VARIABLE in lines[1]
    assert "--kafka" in lines[1]


class GaveUp(BaseException):
    """The caller does not wait any longer."""


def test_a_caller_that_waits_for_jars_may_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository accepts connections and never answers: the fetch ends with the caller's error and leaves no file."""
    calls = iter([None, None, GaveUp])

    def on_wait() -> None:
        if (error := next(calls)) is not None:
            raise error

    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{silent.getsockname()[1]}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(GaveUp):
            resolve_jars(on_wait=on_wait, environ={"M2_REPO": str(tmp_path / "repository")})
    assert not list((tmp_path / "repository").iterdir())
