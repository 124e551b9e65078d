"""What tests of every room share."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.support.shared_servers import Servers

# How fast examples are made says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A broker of a test lives for seconds: what Java's second compiler costs (a third of a start) never comes back.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


pytest_plugins = ["tests.support.fixtures_kafka", "tests.support.fixtures_clickhouse", "tests.support.fault_table"]

SERVERS = pytest.StashKey[Servers]()

WHOLE_PROGRAMS = {"flow", "faults", "browser"}
"""Folders whose files start servers and programs of their own, and wait for them."""


def pytest_configure(config: pytest.Config) -> None:
    """Start the process that keeps the shared servers, before the test processes that ask it for them."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[SERVERS] = Servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End that process after all test processes."""
    servers = config.stash.get(SERVERS, None)
    if servers is not None:
        servers.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread those files evenly among all others: side by side they would wait for each other."""
    files = [(path, list(tests)) for path, tests in itertools.groupby(items, lambda item: item.path)]
    waiting = [tests for path, tests in files if path.parent.name in WHOLE_PROGRAMS]
    others = [tests for path, tests in files if path.parent.name not in WHOLE_PROGRAMS]
    positions = [(number / len(waiting), tests) for number, tests in enumerate(waiting)]
    positions += [((number + 1) / len(others), tests) for number, tests in enumerate(others)]
    items[:] = [item for _, tests in sorted(positions, key=lambda placed: placed[0]) for item in tests]
