"""What unexpected bytes are, told by how they begin."""

from __future__ import annotations

from typing import Final

__all__ = ["beginning_of"]

BYTES_SHOWN: Final = 20
PLAIN: Final = "it uncompressed (Kafka's compression.type compresses as well)"
STREAM: Final = "an Arrow IPC stream (pyarrow.ipc.new_stream)"
BEGINNINGS: Final = (
    (b"\x1f\x8b", "is compressed with gzip", PLAIN),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", PLAIN),
    (b"\x04\x22\x4d\x18", "is compressed with lz4", PLAIN),
    (b"\xef\xbb\xbf", "begins with a byte order mark", "UTF-8 without it"),
    (b"\xff\xfe", "is UTF-16", "UTF-8"),
    (b"\xfe\xff", "is UTF-16", "UTF-8"),
    (b"\xff\xff\xff\xff", "is an Arrow stream", "the header content-type: application/vnd.apache.arrow.stream with it"),
    (b"ARROW1", "is an Arrow file", STREAM),
    (b"FEA1", "is a Feather file", STREAM),
    (b"PAR1", "is a Parquet file", f"JSON or {STREAM}"),
    (b"Obj\x01", "is an Avro file", f"JSON or {STREAM}"),
    (b"\0", "begins with a zero byte, as behind a schema registry", "JSON without the registry's prefix"),
    (b'"', "is a text in JSON", "the object itself, encoded once"),
)


def beginning_of(data: bytes) -> tuple[str, str]:
    """What some bytes are, as the rest of a sentence, and what would be right, empty where that is plain.

    >>> beginning_of(b"PAR1..."), beginning_of(b"hello")
    (('is a Parquet file', 'JSON or an Arrow IPC stream (pyarrow.ipc.new_stream)'), ("begins with 'hello'", ''))
    """
    if not data:
        return "is empty", ""
    for mark, what, right in BEGINNINGS:
        if data.startswith(mark):
            return what, right
    return f"begins with {data[:BYTES_SHOWN].decode('utf-8', 'replace')!r}", ""
