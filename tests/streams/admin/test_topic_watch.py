"""The watch for topics that are deleted and created anew."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping

import pytest

from streams.admin.topic_watch import TopicWatch
from streams.errors import KafkaUnreachable, TopicReplaced


def run(*answers: Mapping[str, str] | Exception) -> int:
    """Give a watch these answers and stop it; returns how often it asked."""
    stop, asked = threading.Event(), itertools.count()

    def topic_ids() -> Mapping[str, str]:
        number = next(asked)
        if number == len(answers) - 1:
            stop.set()
        answer = answers[number]
        if isinstance(answer, Exception):
            raise answer
        return answer

    TopicWatch("p.", topic_ids, check_seconds=0.0).run(stop)
    return next(asked)


def test_topics_that_stay_or_go_end_nobody() -> None:
    """A Kafka that does not answer, a missing topic or a new one does not end the worker."""
    same = {"labels": "1", "models": "2"}
    assert run(same, same, KafkaUnreachable("away"), {"models": "2"}, {**same, "gates": "3"}) == 5


def test_a_topic_created_anew_ends_the_worker() -> None:
    """Clients would wait for the deleted topic: only a new start reads the new one."""
    with pytest.raises(TopicReplaced, match=r"^topic p\.labels was deleted and created anew: this worker ends"):
        run({"labels": "1"}, {"labels": "9"}, {})
