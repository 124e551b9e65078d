"""Reject: what could not be read, byte for byte, with the reason."""

from __future__ import annotations

from schemas.wire.base import Count, EpochMs, Name, Wire

__all__ = ["Reject"]


class Reject(Wire, frozen=True, kw_only=True):
    """A message, or one element of an array message, that a role could not use; or several elements, summed up.

    ``original`` holds the bytes as they arrived (base64 in JSON); for a row of an Arrow message, an Arrow stream of
    that row alone. ``field`` is the JSON path that was wrong, or the header, empty where the bytes were no JSON at all;
    ``source_index`` is the index of the element in an array message, or of the row.

    ``elements`` is how many elements it stands for: all elements of a message that has too many, or the wrong ones of a
    message after its first hundred. They lie between ``source_index`` and ``source_index_last``, and ``original``
    is the message, or an array (an Arrow stream) of just these elements.

    Where ``original`` is only the beginning, ``original_length`` and ``original_sha256`` (hexadecimal) are those of the
    whole; of a topic that holds secrets (accounts, the ends of sessions) there is no beginning either.
    """

    original: bytes
    reason: str
    field: Name = ""
    role: Name = ""
    source_topic: Name
    source_partition: int
    source_offset: int
    source_index: int = 0
    source_key: bytes = b""
    time: EpochMs
    elements: Count = 1
    source_index_last: Count | None = None
    original_length: Count | None = None
    original_sha256: Name = ""
