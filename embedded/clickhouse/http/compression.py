"""Compressed bodies over HTTP, in both directions; a body may not grow beyond a bound when it is decompressed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import lz4.frame

__all__ = ["BodyTooLargeError", "UnknownEncodingError", "choose_encoding", "compress", "decompress"]

OFFERED: Final = ("lz4", "gzip", "deflate")
SMALLEST_WORTH_BYTES: Final = 1_024
PIECE_BYTES: Final = 64 * 1024
FRAMES_MAX: Final = 65_536
"""Frames, or gzip members, of one body; bgzip makes one of each 64 KiB of plain text."""


class BodyTooLargeError(Exception):
    """A body is larger than its bound once it is decompressed."""


class UnknownEncodingError(Exception):
    """This server does not read the Content-Encoding of a request."""


def choose_encoding(accepted: str) -> str:
    """The server's first encoding that an Accept-Encoding header names, or an empty text.

    >>> choose_encoding("gzip, deflate"), choose_encoding("lz4;q=0, br")
    ('gzip', '')
    """
    names = {part.split(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part.replace(" ", "")}
    return next((name for name in OFFERED if name in names), "")


def compress(data: bytes, encoding: str) -> bytes:
    """The body compressed with an encoding that ``choose_encoding`` returned."""
    if encoding == "lz4":
        packed: bytes = lz4.frame.compress(data)
        return packed
    if encoding == "gzip":
        return gzip.compress(data, compresslevel=1)
    return zlib.compress(data, 1)


def decompress(data: bytes, encoding: str, bytes_max: int) -> bytes:
    """The plain body. Raises BodyTooLargeError, UnknownEncodingError, or ValueError for bytes in another encoding."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return data
    if name == "lz4":
        return _decompress_frames(data, lz4.frame.LZ4FrameDecompressor, bytes_max)
    if name in ("gzip", "deflate"):
        return _decompress_frames(data, lambda: zlib.decompressobj(31 if name == "gzip" else 15), bytes_max)
    offered = ", ".join(OFFERED)
    raise UnknownEncodingError(f"Content-Encoding {encoding!r} is not one of identity, {offered}.")


class _Reader(Protocol):
    """The common part of zlib's and LZ4's decompressors; ``unused_data`` are the bytes behind the end of a frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _decompress_frames(data: bytes, reader_of: Callable[[], _Reader], bytes_max: int) -> bytes:
    """Decompress frame after frame, as in concatenated files and bgzip; bytes that are not a frame are an error."""
    parts: list[bytes] = []
    left, read, frames = bytes_max, 0, 1
    reader, piece = reader_of(), b""
    while piece or read < len(data):
        if not piece:
            # Piece by piece, because the bytes behind a frame are copied, and there may be many frames.
            piece, read = data[read : read + PIECE_BYTES], read + PIECE_BYTES
        if reader.eof:
            reader, frames = reader_of(), frames + 1
            if frames > FRAMES_MAX:
                raise ValueError(f"The compressed body has more than {FRAMES_MAX} frames.")
        try:
            plain = reader.decompress(piece, left + 1)
        except (zlib.error, RuntimeError) as error:
            raise ValueError(f"The body cannot be decompressed: {error}") from error
        left -= len(plain)
        if left < 0:
            raise BodyTooLargeError
        parts.append(plain)
        piece = (reader.unused_data or b"") if reader.eof else b""
    if not reader.eof:
        raise ValueError("The compressed body is truncated.")
    return b"".join(parts)
