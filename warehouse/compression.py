"""Compressed bodies over HTTP, each direction, with a bound on what a body may grow to."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

import lz4.frame

__all__ = ["BodyTooLargeError", "UnknownEncodingError", "choose_encoding", "compress", "decompress"]

OFFERED: Final = ("lz4", "gzip", "deflate")
SMALLEST_WORTH_BYTES: Final = 1_024


class BodyTooLargeError(Exception):
    """A body that decompresses to more than it may."""


class UnknownEncodingError(Exception):
    """A Content-Encoding that this server does not read."""


def choose_encoding(accepted: str) -> str:
    """The first encoding offered that an Accept-Encoding header names, or an empty text."""
    names = {part.split(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part.replace(" ", "")}
    return next((name for name in OFFERED if name in names), "")


def compress(data: bytes, encoding: str) -> bytes:
    """The body in an encoding of ``choose_encoding``."""
    if encoding == "lz4":
        packed: bytes = lz4.frame.compress(data)
        return packed
    if encoding == "gzip":
        return gzip.compress(data, compresslevel=1)
    return zlib.compress(data, 1)


def decompress(data: bytes, encoding: str, bytes_max: int) -> bytes:
    """The plain body; raises BodyTooLargeError, UnknownEncodingError, or ValueError for wrong bytes."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return data
    if name == "lz4":
        return _decompress_lz4(data, bytes_max)
    if name in ("gzip", "deflate"):
        return _decompress_zlib(data, 31 if name == "gzip" else 15, bytes_max)
    offered = ", ".join(OFFERED)
    raise UnknownEncodingError(f"Content-Encoding {encoding!r} is not one of identity, {offered}.")


def _decompress_lz4(data: bytes, bytes_max: int) -> bytes:
    reader = lz4.frame.LZ4FrameDecompressor()
    try:
        plain: bytes = reader.decompress(data, max_length=bytes_max + 1)
    except RuntimeError as error:
        raise ValueError(f"The body is not an LZ4 frame: {error}") from error
    if len(plain) > bytes_max:
        raise BodyTooLargeError
    if not reader.eof:
        raise ValueError("The body is a truncated LZ4 frame.")
    return plain


def _decompress_zlib(data: bytes, window_bits: int, bytes_max: int) -> bytes:
    reader = zlib.decompressobj(window_bits)
    try:
        plain = reader.decompress(data, bytes_max + 1)
    except zlib.error as error:
        raise ValueError(f"The body cannot be decompressed: {error}") from error
    if len(plain) > bytes_max:
        raise BodyTooLargeError
    if not reader.eof:
        raise ValueError("The compressed body is truncated.")
    return plain
