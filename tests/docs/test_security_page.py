"""docs/SECURITY.md says of Kafka what the code says, and the diagram's page agrees with both."""

from __future__ import annotations

import re

from agents.shared.groups import GROUPS
from streams.admin.access import RIGHTS, USERS, topics_of
from tests.support.docs.generated import FLOW, access_table
from tests.support.grants import table_of_grants
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "SECURITY.md").read_text()
PERSONS = {"producers": "ANONYMOUS", "`watchloop users`": "admin"}


def test_the_table_is_the_codes():
    """The page holds the very table that the embedded cluster goes by."""
    assert access_table() in PAGE


def test_every_user_is_explained():
    """Each user of Kafka has a line."""
    for user in USERS:
        assert re.search(rf"^\| `{user}` \|", PAGE, re.MULTILINE), user


def test_the_flow_is_what_is_allowed():
    """Whoever writes a topic in docs/ARCHITECTURE.md may, and nobody else of the program; whoever reads it may."""
    for topic, (writers, readers) in table_of_grants().items():
        named = [PERSONS.get(who, who.lower()) for who in FLOW[topic][0].split(", ")]
        if FLOW[topic][0].startswith("reserved"):
            named = []
        assert set(named) == set(writers) - {"replay", "producer"}, topic
        read_by = {PERSONS.get(who, who.lower()) for who in FLOW[topic][1].split(", ")}
        assert read_by <= set(readers), topic


def test_every_group_has_a_user():
    """Each consumer group is joined by one user, who may read its topics."""
    for group, topics in GROUPS.items():
        (user,) = (user for user, rights in RIGHTS.items() if group in rights.groups)
        assert set(topics) <= set(topics_of(user))
