"""Messages between the report process and its parent: MessagePack behind its length, over two pipes."""

from __future__ import annotations

import struct
from typing import IO

import msgspec

__all__ = ["READY", "ReportResult", "read_message", "write_message"]

_LENGTH = struct.Struct(">I")
READY = "ready"
"""The id of the first result, which says that the process is ready."""


class ReportResult(msgspec.Struct, frozen=True, kw_only=True):
    """A report as JSON and as one HTML page without outside links to data, or one line that says why there is none.

    ``left_out`` has a line for each column that the report is without, or that it shows in another way.
    ``may_retry`` says that a failed report may be tried again: it took too long, or its process died.
    """

    report_id: str
    json: str = ""
    html: str = ""
    error: str = ""
    left_out: tuple[str, ...] = ()
    may_retry: bool = False


def write_message(pipe: IO[bytes], message: bytes) -> None:
    """Write one message behind its length, and flush; raises BrokenPipeError if the reader has ended."""
    pipe.write(_LENGTH.pack(len(message)) + message)
    pipe.flush()


def read_message(pipe: IO[bytes], bytes_max: int) -> bytes | None:
    """One message; None at the end of the pipe, or if the message is longer than ``bytes_max``."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = int(_LENGTH.unpack(head)[0])
    if length > bytes_max:
        return None
    body = pipe.read(length)
    return body if len(body) == length else None
