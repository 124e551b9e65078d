"""Settings of the embedded ClickHouse."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_order

__all__ = ["EmbeddedClickHouseSettings"]

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


class EmbeddedClickHouseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the embedded ClickHouse; beyond each of them the answer is an error with ClickHouse's code."""

    memory_bytes_max: Annotated[int, Meta(ge=256 * MIB)] = 2 * GIB
    """Memory of the whole engine; a query beyond it fails with code 241."""
    caches_bytes_max: Annotated[int, Meta(ge=MIB)] = 128 * MIB
    """Memory of the engine's caches of marks and of index marks, each."""
    disk_bytes_max: Annotated[int, Meta(ge=16 * MIB)] = 100 * GIB
    """Bytes of stored parts, and of merged ones for another minute; beyond it inserts fail with code 243."""
    disk_free_bytes_min: Annotated[int, Meta(ge=0)] = 512 * MIB
    """Inserts fail with code 243 while the disk has less free space than this."""
    writer_handles: Annotated[int, Meta(ge=1, le=64)] = 4
    """Queries of the user ``watchloop`` that run at once."""
    analyst_handles: Annotated[int, Meta(ge=1, le=64)] = 4
    """Queries of the user ``analyst`` that run at once."""
    waiting_queries_max: Annotated[int, Meta(ge=0, le=10_000)] = 64
    """Queries of one user that wait for a handle; one more is answered 503, code 202."""
    query_threads: Annotated[int, Meta(ge=1, le=256)] = 2
    """Threads that one query may use."""
    connections_max: Annotated[int, Meta(ge=8, le=100_000)] = 512
    """Connections at once; a request on one more is answered 503."""
    head_bytes_max: Annotated[int, Meta(ge=1_024, le=MIB)] = 64 * 1024
    """Bytes of a request's address and header lines; larger ones are answered 400. Long parameters go as a form."""
    head_seconds_max: Annotated[int, Meta(ge=1, le=600)] = 10
    """Time for a request's address and header lines to arrive; then its connection is closed."""
    body_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 60
    """Time for a request's body to arrive; then it is answered with code 209 and its connection is closed."""
    answer_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 300
    """Time for a client to read its answer; then its connection is closed."""
    request_fields_max: Annotated[int, Meta(ge=10, le=100_000)] = 1_000
    """Fields of a request (parameters, settings) in its address and in its form, each; more fail with code 36."""
    writer_buffered_bytes_max: Annotated[int, Meta(ge=MIB)] = GIB
    """Bytes of requests and answers held for ``watchloop``; a request beyond them is answered 503, code 202."""
    analyst_buffered_bytes_max: Annotated[int, Meta(ge=MIB)] = GIB
    """Bytes of requests and answers held for ``analyst``; a request beyond them is answered 503, code 202."""
    analyst_body_bytes_max: Annotated[int, Meta(ge=1_024)] = 8 * MIB
    """Bytes of the body of one request of ``analyst``, after decompression too; larger ones fail with code 307."""
    query_bytes_max: Annotated[int, Meta(ge=1_024)] = 256 * 1024
    """Length of a statement without an insert's data; longer ones fail with code 62."""
    query_tokens_max: Annotated[int, Meta(ge=100)] = 50_000
    """Words, values and signs of a statement without an insert's data; longer ones fail with code 62."""
    body_bytes_max: Annotated[int, Meta(ge=1_024)] = 256 * MIB
    """Bytes of one request's body, after decompression too; larger ones are answered 413, code 307."""
    query_seconds_max: Annotated[int, Meta(ge=1)] = 600
    """Time of one query of ``watchloop``; then it fails with code 159."""
    result_bytes_max: Annotated[int, Meta(ge=1_024)] = GIB
    """Bytes of one answer to ``watchloop``; then the query fails with code 396."""
    analyst_seconds_max: Annotated[int, Meta(ge=1)] = 30
    """Time of one query of ``analyst``; then it fails with code 159."""
    analyst_overrun_seconds_max: Annotated[int, Meta(ge=15, le=3_600)] = 30
    """Time of a query of ``analyst`` beyond ``analyst_seconds_max``; then the server ends, because nothing else stops
    the query, and ``up`` starts it again. With less than 15 s it could end so often that ``up`` would give up."""
    analyst_result_rows_max: Annotated[int, Meta(ge=1)] = 1_000_000
    """Rows of one answer to ``analyst``; then the query fails with code 396."""
    analyst_result_bytes_max: Annotated[int, Meta(ge=1_024)] = 256 * MIB
    """Bytes of one answer to ``analyst``; then the query fails with code 396."""
    analyst_tree_bytes_max: Annotated[int, Meta(ge=1_024)] = 4 * MIB
    """Bytes of the tree of one statement of ``analyst``, which the checks read; a larger one fails with code 168."""
    analyst_memory_bytes_max: Annotated[int, Meta(ge=16 * MIB)] = 512 * MIB
    """Memory of one query of ``analyst``; then it fails with code 241."""
    analyst_time_zones_max: Annotated[int, Meta(ge=1, le=1_000)] = 64
    """Time zones of 5 MB each that ``analyst`` may name while the server runs; one more fails with code 241."""
    start_seconds_max: Annotated[int, Meta(ge=1)] = 180
    """Longest wait for the server to answer /ping after its start."""
    stop_seconds_max: Annotated[int, Meta(ge=1)] = 30
    """Longest wait for a clean stop; then the server is killed, which damages no rows."""

    def __post_init__(self) -> None:
        require_order(
            self,
            ("caches_bytes_max", "memory_bytes_max"),
            ("analyst_memory_bytes_max", "memory_bytes_max"),
            ("query_bytes_max", "body_bytes_max"),
            ("query_bytes_max", "analyst_body_bytes_max"),
            ("body_bytes_max", "writer_buffered_bytes_max"),
            ("analyst_body_bytes_max", "analyst_buffered_bytes_max"),
            ("analyst_result_bytes_max", "analyst_buffered_bytes_max"),
            ("result_bytes_max", "writer_buffered_bytes_max"),
        )
