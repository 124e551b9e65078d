"""docs/ARCHITECTURE.md and the glossary say what the code says."""

from __future__ import annotations

import re

from schemas.topics import ALL_TOPICS
from tests.support.docs.generated import FLOW, alert_diagram, task_diagram, topics_table
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
NAMED = re.compile(r"^from schemas\.topics import (.+)$", re.MULTILINE)


def test_task_life_is_drawn_from_its_table():
    """The page holds exactly the transitions of review.task_life."""
    assert f"```mermaid\n{task_diagram()}\n```" in PAGE


def test_alert_life_is_drawn_from_its_table():
    """The page holds exactly the transitions of drift.alerts.alert_life."""
    assert f"```mermaid\n{alert_diagram()}\n```" in PAGE


def test_topics_are_those_of_the_program():
    """The page holds the table made of schemas.topics, and says of each topic who writes and who reads it."""
    assert topics_table() in PAGE
    assert set(FLOW) == {topic.name for topic in ALL_TOPICS}


def test_unwritten_topics_are_really_unwritten():
    """A topic that the page calls reserved is named by no role and no command, and every other one is."""
    files = [*(ROOT / "agents").rglob("*.py"), *(ROOT / "watchloop").rglob("*.py")]
    named = " ".join(path for file in files for path in NAMED.findall(file.read_text()))
    for topic in ALL_TOPICS:
        constant = topic.name.replace(".", "_").upper()
        reserved = FLOW[topic.name][0].startswith("reserved")
        assert bool(re.search(rf"\b{constant}\b", named)) is not reserved, topic.name


def test_page_names_the_folders():
    """Each folder of the page's list exists, and no room is left out."""
    listed = set(re.findall(r"^(\w+)/ {2,}", PAGE, re.MULTILINE))
    assert listed == {path.parent.name for path in ROOT.glob("*/__init__.py")}


def test_glossary_has_every_lane_and_state():
    """Words that people meet on the pages are in the glossary."""
    text = (ROOT / "docs" / "GLOSSARY.md").read_text()
    for word in ("verdict", "inclusion probability", "adjudication", "escalate", "audit", "acknowledged", "refresh"):
        assert word in text


def test_every_file_that_the_page_names_exists():
    """Whoever follows a prediction through the page finds each file where the page says."""
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", PAGE))
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
