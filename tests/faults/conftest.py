"""One story a form: its servers start once, and every test of the form does its harm to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.faults.fault_story import LONG_FORM, SHORT_FORM, Story
from tests.support.program import eventually_gone, processes_of


@pytest.fixture(scope="module", params=[SHORT_FORM, LONG_FORM])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Three brokers, a ClickHouse, two INTAKE workers and one RECORD at work; nothing of it is left afterwards."""
    folder = tmp_path_factory.mktemp("faults")
    made = Story(folder, request.param)
    try:
        yield made.start()
    finally:
        made.end()
        left = processes_of(folder)
        eventually_gone(folder)
    assert not left, left


@pytest.fixture
def audit(story: Story, record_property: Callable[[str, Any], None]) -> Callable[[str], None]:
    """Looks at everything, and keeps the counts for the table at the end of the run."""

    def look(what: str) -> None:
        record_property("faults", story.audit(what))

    return look
