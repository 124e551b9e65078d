"""How an Arrow IPC stream begins: enough to tell it from JSON, without pyarrow."""

from __future__ import annotations

from typing import Final

__all__ = ["STREAM_BEGINS", "is_stream"]

STREAM_BEGINS: Final = b"\xff\xff\xff\xff"
"""The continuation mark (Arrow columnar format, "Encapsulated message format"); no JSON begins so."""


def is_stream(data: bytes) -> bool:
    """Whether bytes begin as an Arrow IPC stream does.

    >>> is_stream(bytes.fromhex("ffffffff78")), is_stream(b'[{"event_id": "e-1"}]'), is_stream(b"")
    (True, False, False)
    """
    return data.startswith(STREAM_BEGINS)
