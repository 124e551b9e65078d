"""The front-end libraries: the files of the locked WebJars, byte for byte, or one line that says what to run."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

import build_backend
from console.app import static_router
from console.front_end import LIBRARIES, LOCK_FILE, STATIC, FrontEndMissing, check_front_end, unpack
from embedded.jars import read_lock, resolve
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def webjars():
    """The WebJars, fetched if need be."""
    return resolve(build_backend.WEBJARS)


def test_the_lock_names_the_libraries():
    """The lock file has exactly the libraries whose files the pages need."""
    assert [f"{jar.group}:{jar.artifact}:{jar.version}" for jar in read_lock(LOCK_FILE)] == list(LIBRARIES)


def test_files_are_those_of_the_webjars(webjars):
    """What the console serves is what the WebJars hold, with the licence of each."""
    for jar, files in zip(webjars, LIBRARIES.values(), strict=True):
        with zipfile.ZipFile(jar) as opened:
            held = [opened.read(name) for name in opened.namelist()]
        for name in files.values():
            assert (STATIC / name).read_bytes() in held, name
    assert "MIT License" in (STATIC / "uPlot.LICENSE.txt").read_text()


def test_a_changed_file_is_replaced_and_a_right_one_left_alone(tmp_path, webjars):
    """Unpacking again repairs a file, and touches none that is right."""
    paths = unpack(webjars, tmp_path)
    right, changed = paths[0], paths[1]
    before = right.stat().st_mtime_ns
    changed.write_text("something else")
    assert unpack(webjars, tmp_path) == paths
    assert right.stat().st_mtime_ns == before
    assert changed.read_bytes() == (STATIC / changed.name).read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_checkout_without_them_says_what_to_run(tmp_path, monkeypatch):
    """The console does not start without its libraries, and one line names the file and the command."""
    check_front_end()
    with pytest.raises(FrontEndMissing, match=r"has no htmx\.min\.js.*python build_backend\.py"):
        check_front_end(tmp_path)
    monkeypatch.setattr("console.app.check_front_end", lambda: check_front_end(tmp_path))
    with pytest.raises(FrontEndMissing):
        static_router()


def test_a_wheel_has_nothing_of_an_earlier_build(tmp_path, monkeypatch):
    """Before setuptools packs ``build/lib``, modules that an earlier build left there are gone."""
    left = tmp_path / "build" / "lib" / "agents" / "moved_since.py"
    left.parent.mkdir(parents=True)
    left.touch()
    monkeypatch.setattr(build_backend, "ROOT", tmp_path)
    monkeypatch.setattr("setuptools.build_meta.build_wheel", lambda *_: f"{left.exists()}.whl")
    assert build_backend.build_wheel(str(tmp_path)) == "False.whl"


def test_webjars_that_cannot_be_had_are_one_line(tmp_path):
    """Without a network the build ends with one line that says what is missing and what to do, and the code 2."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "PATH": ""}
    env = {**nowhere, "HOME": str(tmp_path), "JGO_CONFIG_FILE": str(tmp_path / "absent.conf")}
    command = [sys.executable, str(ROOT / "build_backend.py")]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    lines = result.stderr.splitlines()
    assert result.returncode == 2
    assert len(lines) == 2, result.stderr
    assert lines[0].startswith("Console: fetching 2 of 2 jars")
    assert "Console's jars are not in" in lines[1]
    assert "M2_REPO" in lines[1]
