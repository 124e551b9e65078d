"""Who may write and read each topic, as the rights of the program say."""

from __future__ import annotations

from schemas.topics import ALL_TOPICS
from streams.admin.access import RIGHTS


def table_of_grants() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Topic to the users that may write it and those that may read it, in the order of the table."""
    return {
        topic.name: (
            tuple(user for user, rights in RIGHTS.items() if topic in rights.writes),
            tuple(user for user, rights in RIGHTS.items() if topic in rights.reads),
        )
        for topic in ALL_TOPICS
    }
