"""The class cache: found for exactly these jars, never a reason not to start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedded.kafka import class_cache
from embedded.kafka.java import java, resolve_jars
from embedded.kafka.server import EmbeddedKafka
from streams.admin.authority import EVERYBODY


def test_another_jar_has_another_cache(tmp_path: Path) -> None:
    """A cache is looked for by the path, size and time of every jar and of Java: a change of any means another name."""
    java_file, jar = tmp_path / "java", tmp_path / "a.jar"
    java_file.write_bytes(b"java")
    jar.write_bytes(b"jar")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    names = [class_cache.cache_file([jar], java_file, environ)]
    names.append(class_cache.cache_file([jar, java_file], java_file, environ))
    os.utime(jar, ns=(1, 1))
    names.append(class_cache.cache_file([jar], java_file, environ))
    jar.write_bytes(b"longer jar")
    os.utime(jar, ns=(1, 1))
    names.append(class_cache.cache_file([jar], java_file, environ))
    assert len(set(names)) == len(names)
    assert {name.parent for name in names} == {tmp_path / "cache" / "watchloop"}


def test_one_cache_is_kept(tmp_path: Path) -> None:
    """A new cache takes the place of the old ones; other files stay."""
    folder = tmp_path / "watchloop"
    folder.mkdir()
    (folder / "kafka-old.aot").touch()
    (folder / "other").touch()
    new = tmp_path / "new"
    new.write_bytes(b"classes")
    class_cache.keep(new, folder / "kafka-new.aot")
    assert sorted(path.name for path in folder.iterdir()) == ["kafka-new.aot", "other"]
    assert class_cache.read_options(folder / "kafka-new.aot")[0].endswith("kafka-new.aot")
    assert class_cache.read_options(folder / "kafka-old.aot") == []


@pytest.mark.servers
def test_a_damaged_cache_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka starts with a cache file that holds nonsense, as it does without one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = class_cache.cache_file(resolve_jars(), Path(java()))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nonsense" * 10_000)
    with EmbeddedKafka(tmp_path / "kafka", access=EVERYBODY) as kafka:
        assert kafka.bootstrap.startswith("127.0.0.1:")
