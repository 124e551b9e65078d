"""Whether the topics are still those that a worker began with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from streams.errors import KafkaUnreachable, TopicReplaced

__all__ = ["TopicWatch", "check_same"]

EVERY_SECONDS: Final = 10.0


class TopicWatch:
    """Ends a worker whose topics were deleted and created anew, so that it begins with the new ones.

    A client waits for the deleted topic, and says nothing. ``topic_ids`` is ``streams.admin.topics.topic_ids``.
    """

    def __init__(
        self, prefix: str, topic_ids: Callable[[], Mapping[str, str]], every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._prefix = prefix
        self._topic_ids = topic_ids
        self._every_seconds = every_seconds
        self._known = topic_ids()

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; raises TopicReplaced."""
        while not stop.wait(self._every_seconds):
            try:
                now = self._topic_ids()
            except KafkaUnreachable:
                continue
            check_same(self._prefix, self._known, now)


def check_same(prefix: str, known: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise TopicReplaced where a topic has another id than the known one; one that is just gone may come back."""
    for name, topic_id in known.items():
        if now.get(name, topic_id) != topic_id:
            raise TopicReplaced(
                f"topic {prefix}{name} was deleted and created anew: this worker ends, and begins with the new one "
                "when it is started again"
            )
