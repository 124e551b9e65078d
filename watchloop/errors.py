"""What a person at the command line can put right. The text of every error is one line: what, where, what to do."""

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
    """Something a person can put right; the program ends with exit code 2."""


class WrongSetting(WatchloopError):  # noqa: N818 - reads as what happened
    """A setting that is unknown, of the wrong type, or out of its bounds."""


class FolderTaken(WatchloopError):  # noqa: N818
    """The data folder belongs to another running program."""


class NoAccess(WatchloopError):  # noqa: N818
    """A folder or a file cannot be read or written."""


class NoRoomLeft(WatchloopError):  # noqa: N818
    """The disk of the data folder is full."""


class NothingRuns(WatchloopError):  # noqa: N818
    """A command needs a server that runs only while the program does, and it does not."""


class PortTaken(WatchloopError):  # noqa: N818
    """The port of the console is in use."""


class WrongTable(WatchloopError):  # noqa: N818
    """A recorded table lacks what was asked of it."""


class KeepsEnding(WatchloopError):  # noqa: N818
    """A server or a worker of the program ends again and again."""


class ConsoleRefused(WatchloopError):  # noqa: N818
    """The console does not answer, or does not let somebody in."""
