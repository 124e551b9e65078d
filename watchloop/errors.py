"""Errors that a user at the command line can correct. Their text is one line: what is wrong, where, and what to do."""

from __future__ import annotations

__all__ = [
    "ConsoleRefused",
    "FolderTaken",
    "KeepsEnding",
    "NoAccess",
    "NoRoomLeft",
    "NothingRuns",
    "PortTaken",
    "WatchloopError",
    "WrongSetting",
    "WrongTable",
]


class WatchloopError(Exception):
    """An error that the user can correct; the program ends with exit code 2."""


class WrongSetting(WatchloopError):  # noqa: N818 - reads as what happened
    """A setting is unknown, of the wrong type, or out of its bounds."""


class FolderTaken(WatchloopError):  # noqa: N818
    """The data folder belongs to another running program."""


class NoAccess(WatchloopError):  # noqa: N818
    """A folder or a file cannot be read or written."""


class NoRoomLeft(WatchloopError):  # noqa: N818
    """The disk of the data folder is full."""


class NothingRuns(WatchloopError):  # noqa: N818
    """A command needs an embedded server, and the program that would run it is stopped."""


class PortTaken(WatchloopError):  # noqa: N818
    """The port of the console is in use."""


class WrongTable(WatchloopError):  # noqa: N818
    """A recorded table cannot be read as the command asks."""


class KeepsEnding(WatchloopError):  # noqa: N818
    """A server or a worker of the program ends again and again."""


class ConsoleRefused(WatchloopError):  # noqa: N818
    """The console refuses a request, or does not let a person sign in."""
