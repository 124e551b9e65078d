"""Consumer groups, and the topics each reads: what a role's lag is counted on."""

from __future__ import annotations

from typing import Final

from schemas.topics import BLOCKS, CORRECTIONS, LABELS, PREDICTIONS, Topic
from streams.admin.access import RECORDED

__all__ = ["GROUPS", "RECORDED"]

GROUPS: Final[dict[str, tuple[Topic, ...]]] = {
    "intake": (PREDICTIONS,),
    "drift": (BLOCKS, CORRECTIONS),
    "learn": (CORRECTIONS,),
    "labels": (LABELS,),
    "record": RECORDED,
}
