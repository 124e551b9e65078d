"""Where tests find what is no code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["ELEC2", "GOLDEN", "ROOT", "SHARED"]

ROOT: Final = Path(__file__).resolve().parents[2]
"""The project's folder."""
GOLDEN: Final = ROOT / "schemas" / "golden"
ELEC2: Final = ROOT / "watchloop" / "data" / "elec2.parquet"
SHARED: Final = ROOT.parent / "shared"
"""Data that may not be part of the project, beside it: tests that need it skip where it is absent."""
