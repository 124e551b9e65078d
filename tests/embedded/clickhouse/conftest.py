"""What tests of the embedded ClickHouse share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an embedded server of the test's own may lie."""
    return tmp_path / "clickhouse"
