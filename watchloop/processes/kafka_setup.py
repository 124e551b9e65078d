"""``python -m watchloop.processes.kafka_setup jars``: what the embedded Kafka needs, made ready before the first start.

``jars`` fetches Kafka's jars and prepares their classes for a quick start. ``lock`` resolves the jars anew and writes
the lock file; run it after a change of ``KAFKA_VERSION`` in `embedded/kafka/java.py`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

from embedded.errors import EmbeddedError
from embedded.kafka.java import java, lock, resolve_jars
from embedded.kafka.server import make_class_cache
from streams.admin.access import grants_of, signed_in
from streams.admin.authority import Access
from streams.admin.topics import create_topics
from streams.errors import StreamsError
from streams.settings import KafkaSettings
from watchloop.terminal.screen import print_error

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """The command line: ``jars`` or ``lock``. Returns the exit code."""
    if list(arguments) not in (["jars"], ["lock"]):
        print_error("usage: python -m watchloop.processes.kafka_setup jars|lock")
        return 2
    try:
        if arguments[0] == "lock":
            lock(print_error)
        else:
            count = len(resolve_jars(print_error))
            _prepare_classes()
            print_error(f"Kafka: {count} jars ready, Java at {java()}")
    except (EmbeddedError, StreamsError) as error:
        print_error(str(error))
        return 2
    return 0


def _prepare_classes() -> None:
    """Train Java as the program uses Kafka: a user signs in, creates the topics, and the lists let it."""
    kafka = KafkaSettings()
    access = Access({"admin": secrets.token_urlsafe()}, grants_of(["admin"], kafka.prefix))
    make_class_cache(
        access,
        use=lambda bootstrap: create_topics(signed_in(kafka, bootstrap, access.passwords).as_user("admin")),
        on_progress=print_error,
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
