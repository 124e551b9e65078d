"""Every example of a docstring gives what stands below it."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.support.paths import ROOT

ROOMS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for room in ROOMS
    for file in sorted(room.rglob("*.py"))
    if ">>> " in file.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_hold(name: str) -> None:
    """Whoever copies an example sees what the documentation shows."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
