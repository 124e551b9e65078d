"""The bounds of EmbeddedClickHouseSettings in the engine's own terms."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from embedded.clickhouse.settings import EmbeddedClickHouseSettings

__all__ = ["analyst_base", "write_config", "writer_base"]


PARSER_BACKTRACKS_MAX: Final = 50_000
"""Steps that the parser takes back for one statement of ``analyst``; a long honest one takes back some hundreds."""
MERGE_TREE: Final = {"old_parts_lifetime": 60, "cleanup_delay_period": 10, "max_cleanup_delay_period": 20}
"""Parts that were merged, or whose rows were deleted, are removed after a minute or so, not eight and more: by then the
merged part has reached the disk, and who deletes rows wants the room back.
"""


def writer_base(settings: EmbeddedClickHouseSettings) -> dict[str, str]:
    """Settings of a handle of ``watchloop``; a query may change them for itself."""
    return {
        "max_memory_usage_for_user": str(settings.memory_bytes_max),
        "max_execution_time": str(settings.query_seconds_max),
        "max_threads": str(settings.query_threads),
        "max_result_bytes": str(settings.result_bytes_max),
        "result_overflow_mode": "throw",
    }


def analyst_base(settings: EmbeddedClickHouseSettings) -> dict[str, str]:
    """Settings of a handle of ``analyst``; ``readonly`` makes them final."""
    return {
        "max_memory_usage_for_user": str(settings.memory_bytes_max),
        "max_memory_usage": str(settings.analyst_memory_bytes_max),
        "max_execution_time": str(settings.analyst_seconds_max),
        "max_threads": str(settings.query_threads),
        "max_result_rows": str(settings.analyst_result_rows_max),
        "max_result_bytes": str(settings.analyst_result_bytes_max),
        "result_overflow_mode": "throw",
        "max_parser_backtracks": str(PARSER_BACKTRACKS_MAX),
        "output_format_json_quote_denormals": "1",  # else JSON has null for inf and nan, and looks like NULL
        "readonly": "1",
    }


def write_config(folder: Path, settings: EmbeddedClickHouseSettings) -> Path:
    """The engine's configuration: bounds of the whole process, and no folder from which user files are read."""
    nowhere = folder / "user_files"
    nowhere.mkdir(parents=True, exist_ok=True)
    lines = {
        "max_server_memory_usage": settings.memory_bytes_max,
        "mark_cache_size": settings.caches_bytes_max,
        "index_mark_cache_size": settings.caches_bytes_max,
        "user_files_path": f"{escape(str(nowhere))}/",
    }
    text = "".join(f"<{name}>{value}</{name}>" for name, value in lines.items())
    merge_tree = "".join(f"<{name}>{value}</{name}>" for name, value in MERGE_TREE.items())
    text += f"<merge_tree>{merge_tree}</merge_tree>"
    path = folder / "engine.xml"
    path.write_text(f"<clickhouse>{text}</clickhouse>\n")
    return path
