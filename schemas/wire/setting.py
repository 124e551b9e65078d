"""Setting: a versioned policy or silence that people change while the program runs."""

from __future__ import annotations

from typing import Literal

from schemas.wire.base import Count, EpochMs, Id, Name, Scalar, Wire

__all__ = ["Setting"]


class Setting(Wire, frozen=True, kw_only=True):
    """``kind`` and ``setting_id`` name it; the newest version holds."""

    setting_id: Id
    kind: Literal["policy", "silence", "guideline"]
    model: Name = ""
    values: dict[str, Scalar]
    version: Count = 0
    changed_at: EpochMs
    changed_by: Name = ""
