"""Errors of the embedded servers. The text of every error is one line: what is wrong, where, what to do.

::

    EmbeddedError
    ├── JarsMissing               jars, or the packages that fetch or run them, cannot be had
    ├── JarMismatch               a jar is not the one that its lock file names
    ├── EmbeddedKafkaError
    │   ├── KafkaFolderBusy       another Kafka uses the folder
    │   ├── KafkaFolderMismatch   the folder was made with other settings, or by a later Kafka
    │   └── KafkaDidNotStart      a node ended, or did not answer in time
    └── ClickHouseDidNotStart     the server ended, or did not answer in time
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ClickHouseDidNotStart",
    "EmbeddedError",
    "EmbeddedKafkaError",
    "JarMismatch",
    "JarsMissing",
    "KafkaDidNotStart",
    "KafkaFolderBusy",
    "KafkaFolderMismatch",
    "one_line",
]

LINE_CHARS_MAX: Final = 1_000


def one_line(text: object, chars_max: int = LINE_CHARS_MAX) -> str:
    """``text`` with every run of white space as one blank, cut after ``chars_max`` characters.

    >>> one_line("a\\n  long text", 7)
    'a long…'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


class EmbeddedError(Exception):
    """An embedded server cannot run, for a reason that a person can put right."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class JarsMissing(EmbeddedError):  # noqa: N818 - reads as what happened
    """Jars, or the packages that fetch or run them, are not on this machine and cannot be fetched."""


class JarMismatch(EmbeddedError):  # noqa: N818
    """A jar differs from the one that its lock file names."""


class EmbeddedKafkaError(EmbeddedError):
    """The embedded Kafka cannot run."""


class KafkaFolderBusy(EmbeddedKafkaError):  # noqa: N818
    """Another Kafka process uses the folder."""


class KafkaFolderMismatch(EmbeddedKafkaError):  # noqa: N818
    """The folder holds a cluster made with other settings or by a later Kafka, or its notes cannot be read."""


class KafkaDidNotStart(EmbeddedKafkaError):  # noqa: N818
    """A node ended during its start, or did not answer in time."""


class ClickHouseDidNotStart(EmbeddedError):  # noqa: N818
    """The ClickHouse server ended before it answered, or did not answer in time."""
