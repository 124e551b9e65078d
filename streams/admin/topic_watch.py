"""Detects that a topic was deleted and created anew while a worker uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from streams.errors import KafkaUnreachable, TopicReplaced

__all__ = ["TopicWatch", "check_same"]

CHECK_SECONDS: Final = 10.0


class TopicWatch:
    """Ends a worker if a topic that it uses was deleted and created anew, so that it starts again with the new one.

    Kafka's clients would wait for the deleted topic in silence. ``topic_ids`` returns the id of each topic by its name
    without the prefix, as ``streams.admin.topics.topic_ids`` does; it is called every ``check_seconds``.
    """

    def __init__(
        self, prefix: str, topic_ids: Callable[[], Mapping[str, str]], check_seconds: float = CHECK_SECONDS
    ) -> None:
        self._prefix = prefix
        self._topic_ids = topic_ids
        self._check_seconds = check_seconds
        self._known = topic_ids()

    def run(self, stop: threading.Event) -> None:
        """Compare the ids until ``stop`` is set. Raises TopicReplaced."""
        while not stop.wait(self._check_seconds):
            try:
                now = self._topic_ids()
            except KafkaUnreachable:
                continue
            check_same(self._prefix, self._known, now)


def check_same(prefix: str, known: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise TopicReplaced if a topic has another id than the known one. A topic that is missing may come back."""
    for name, topic_id in known.items():
        if now.get(name, topic_id) != topic_id:
            raise TopicReplaced(
                f"topic {prefix}{name} was deleted and created anew: this worker ends; when it is started again, it "
                "begins with the new one"
            )
