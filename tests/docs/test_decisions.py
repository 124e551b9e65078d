"""Records of decisions: short, dated, numbered; and the one about dependencies agrees with the project."""

from __future__ import annotations

import re
import tomllib

from tests.support.paths import ROOT

RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
ROOMS = ("schemas", "streams", "embedded", "drift", "review", "learning", "console", "warehouse", "agents", "watchloop")
MODULE_OF = {
    "argon2-cffi": "argon2",
    "faust-streaming": "faust",
    "scikit-learn": "sklearn",
}
ROW = re.compile(r"^\| (?P<package>[\w-]+) \| (?P<why>[^|]+) \| (?P<rooms>[^|]+) \|$", re.MULTILINE)


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.match(r"[A-Za-z0-9_-]+", requirement)[0] for requirement in requirements}


def rooms_that_import(package):
    """The rooms with an import of a package, at whatever depth of the code."""
    module = MODULE_OF.get(package, package.replace("-", "_"))
    pattern = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)
    return {room for room in ROOMS if any(pattern.search(file.read_text()) for file in (ROOT / room).rglob("*.py"))}


def test_records_are_numbered_dated_and_short():
    """0001 and on without a gap, a title with the number, a date, fewer than forty lines."""
    assert [record.name[:4] for record in RECORDS] == [f"{n:04}" for n in range(1, len(RECORDS) + 1)]
    for record in RECORDS:
        lines = record.read_text().splitlines()
        assert lines[0].startswith(f"# {record.name[:4]} "), record.name
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", lines[2]), record.name
        assert len(lines) < 40, record.name


def test_every_dependency_is_explained():
    """The table has exactly the dependencies; the extras are named below it."""
    text = RECORDS[1].read_text()
    assert {row["package"] for row in ROW.finditer(text)} - {"package"} == names(project()["dependencies"])
    for extra in project()["optional-dependencies"].values():
        for package in names(extra):
            assert f"**{package}**" in text, package


def test_table_says_who_imports_what():
    """Each dependency is imported by the rooms that the table names, or by none where it says so."""
    for row in ROW.finditer(RECORDS[1].read_text()):
        if row["package"] == "package":
            continue
        rooms, said = rooms_that_import(row["package"]), row["rooms"]
        if said == "not by us":
            assert rooms == set(), row["package"]
        elif said == "everywhere":
            assert len(rooms) > 4, row["package"]
        else:
            assert rooms == set(re.findall(r"`(\w+)`", said)), row["package"]
