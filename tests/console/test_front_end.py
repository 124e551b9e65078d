"""The front-end libraries: the files of the locked WebJars, byte for byte, or one line that says what to run."""

from __future__ import annotations

import subprocess
import sys
import threading
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


def test_builds_at_the_same_time(tmp_path, webjars):
    """Each finds all files whole, and none leaves anything beside them."""
    folder = tmp_path / "console" / "static"
    folder.mkdir(parents=True)
    builds = [threading.Thread(target=lambda: done.append(unpack(webjars, folder))) for _ in range(8)]
    done = []
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert len(done) == len(builds)
    assert sorted(folder.iterdir()) == sorted(done[0])
    assert list(folder.parent.iterdir()) == [folder]
    for path in done[0]:
        assert path.read_bytes() == (STATIC / path.name).read_bytes()


def test_a_folder_with_the_right_files_is_not_written(tmp_path, webjars, monkeypatch):
    """A checkout that may only be read is built if its files are right already."""
    paths = unpack(webjars, tmp_path)
    monkeypatch.setattr("console.front_end.tempfile.TemporaryDirectory", None)
    assert unpack(webjars, tmp_path) == paths


def test_what_takes_no_file_is_one_line(tmp_path, webjars):
    """A folder in the place of a file, or no folder at all: the line names it and says what to do."""
    (tmp_path / "static" / "htmx.min.js").mkdir(parents=True)
    with pytest.raises(
        FrontEndMissing, match=r"htmx\.min\.js: cannot write .*\(Is a directory\); make .* and .*static folders"
    ):
        unpack(webjars, tmp_path / "static")
    with pytest.raises(FrontEndMissing, match=r"cannot write .*\(No such file or directory\)"):
        unpack(webjars, tmp_path / "absent" / "static")
    assert [path.name for path in tmp_path.iterdir()] == ["static"]


@pytest.mark.parametrize("names", [None, (), ("META-INF/resources/webjars/htmx.org/2.0.4/LICENSE", "../htmx.min.js")])
def test_another_jar_is_one_line(tmp_path, webjars, names):
    """A jar that is no zip, or without the files: one line says which and what to do, and nothing is written."""
    other = tmp_path / "other.jar"
    if names is None:
        other.write_bytes(b"no zip")
    else:
        with zipfile.ZipFile(other, "w") as written:
            for name in names:
                written.writestr(name, "text")
    folder = tmp_path / "static"
    folder.mkdir()
    with pytest.raises(FrontEndMissing, match=r"other\.jar is not the WebJar of org\.webjars.*build_backend\.py lock"):
        unpack([other, webjars[1]], folder)
    with pytest.raises(FrontEndMissing, match="names 1 jars, expected 2"):
        unpack(webjars[:1], folder)
    assert list(folder.iterdir()) == []


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path, monkeypatch, capsys):
    """Without a network there is no new lock file: one line says which jar, and the old file stays."""
    monkeypatch.setenv("M2_REPO", str(tmp_path / "repository"))
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "absent.conf"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    before = LOCK_FILE.read_bytes()
    assert build_backend.main(["lock"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("watchloop: org.webjars.npm:htmx.org:2.0.4 cannot be fetched (")
    assert LOCK_FILE.read_bytes() == before


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("get_requires_for_build_wheel", ()),
        ("get_requires_for_build_editable", ()),
        ("build_wheel", (".",)),
        ("build_editable", (".",)),
    ],
)
def test_hooks_end_with_one_line(monkeypatch, capsys, hook, arguments):
    """What a builder calls ends with the code 2 and one line, not with a traceback."""
    monkeypatch.setenv("M2_REPO", "~nobody-is-called-so/jars")
    with pytest.raises(SystemExit) as caught:
        getattr(build_backend, hook)(*arguments)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("watchloop: the local Maven repository ~nobody-is-called-so/jars cannot be found")


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
