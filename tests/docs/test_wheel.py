"""What `pip install .` brings, built from exactly the files that the image's builder gets."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest

from console.front_end import LIBRARIES
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

OFFLINE = ("No matching distribution found for setuptools", "Temporary failure in name resolution", "Connection")
NOT_PACKAGED = {".pyc", ".pyo"}
FETCHED = ("htmx.*", "uPlot.*")
"""The files of the front-end libraries, which .dockerignore keeps back: the build fetches them."""


def sent_to_builder():
    """The files and folders that .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """The names of all files in the wheel; skipped where its build tool cannot be had."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in sent_to_builder():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", *FETCHED))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    if done.returncode and any(sign in done.stderr for sign in OFFLINE):
        pytest.skip("building a wheel needs the package registry and a Maven repository")
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_wheel_holds_everything_of_every_package(wheel_names):
    """No module, template, schema, SQL file, lock file or recorded stream is forgotten."""
    wanted = set()
    for name in sent_to_builder():
        files = (ROOT / name).rglob("*") if (ROOT / name).is_dir() else []
        wanted |= {str(file.relative_to(ROOT)) for file in files if file.is_file() and file.suffix not in NOT_PACKAGED}
    assert {"watchloop/data/elec2.parquet", "embedded/kafka/kafka-jars.lock", "warehouse/sql/1_stream.sql"} <= wanted
    assert sorted(wanted - wheel_names) == []


def test_wheel_holds_the_front_end_libraries(wheel_names):
    """They were not among the builder's files; the build brought them, with their licences."""
    names = {f"console/static/{name}" for files in LIBRARIES.values() for name in files.values()}
    assert len(names) == 5
    assert names <= wheel_names
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"console/static/{pattern}" for pattern in FETCHED} <= set(ignored)


def test_wheel_holds_nothing_else(wheel_names):
    """Tests, benchmarks and documentation stay out."""
    folders = {name.split("/")[0] for name in wheel_names if ".dist-info/" not in name}
    assert folders <= set(sent_to_builder())
