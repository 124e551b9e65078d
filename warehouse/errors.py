"""What can go wrong with the warehouse.

::

    WarehouseError
    ├── ClickHouseUnreachable     nothing answers at the address
    ├── QueryRefused              ClickHouse answered with an error; ``code`` is ClickHouse's
    │   ├── AuthenticationRefused wrong user or password
    │   ├── NoRoom                the disk, or the quota on it, is full
    │   ├── QuestionTooLarge      it needs more memory, or its answer is larger, than ClickHouse allows: ask for less
    │   └── TablesLacking         a table or a column of the program is not there
    └── UnsupportedTopic          no table for a topic's values

Every message is one line: what, where, what to do.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "LINE_CHARS_MAX",
    "UNKNOWN_COLUMN",
    "AuthenticationRefused",
    "ClickHouseUnreachable",
    "NoRoom",
    "QueryRefused",
    "QuestionTooLarge",
    "TablesLacking",
    "UnsupportedTopic",
    "WarehouseError",
]

LINE_CHARS_MAX: Final = 600
"""Characters that an error shows of what ClickHouse or its client says; a longer text is cut."""

UNKNOWN_COLUMN: Final = "Unknown field found"
"""ClickHouse's message for a column that the table lacks: the tables are older than the program, no row is bad."""


class WarehouseError(Exception):
    """A problem with the warehouse that a person can put right."""


class ClickHouseUnreachable(WarehouseError):  # noqa: N818 - reads as what happened
    """Nothing answers at ClickHouse's address."""


class QueryRefused(WarehouseError):  # noqa: N818
    """ClickHouse answered with an error.

    ``code`` is ClickHouse's number of it, 0 if there was none; ``detail`` is ClickHouse's own text on one line.
    """

    def __init__(self, message: str, *, code: int = 0, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


class AuthenticationRefused(QueryRefused):
    """The user or the password is wrong."""


class NoRoom(QueryRefused):
    """The disk, or the quota on it, is full: inserts are refused until there is room."""


class QuestionTooLarge(QueryRefused):
    """A question needs more memory, or has a larger answer, than ClickHouse allows.

    Asking again does not help: ask for less at once.
    """


class TablesLacking(QueryRefused):
    """A table or a column that the program writes or reads is not there: dropped, or older than the program."""


class UnsupportedTopic(WarehouseError):  # noqa: N818
    """No table is filled from this topic."""
