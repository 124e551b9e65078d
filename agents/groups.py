"""Consumer groups, and the topics each reads: what a role's lag is counted on."""

from __future__ import annotations

from typing import Final

from schemas.topics import ALL_TOPICS, BLOCKS, CORRECTIONS, LABELS, PREDICTIONS, SIGN_OUTS, TRIAGE_STATE, Topic

__all__ = ["GROUPS", "RECORDED"]

UNRECORDED: Final = (SIGN_OUTS, TRIAGE_STATE)
RECORDED: Final = tuple(topic for topic in ALL_TOPICS if topic.value is not None and topic not in UNRECORDED)
"""What RECORD stores: all but the bytes of models, the ends of sessions, which mean nothing a month later, and what
triage tells itself."""

GROUPS: Final[dict[str, tuple[Topic, ...]]] = {
    "intake": (PREDICTIONS,),
    "drift": (BLOCKS, CORRECTIONS),
    "learn": (CORRECTIONS,),
    "labels": (LABELS,),
    "record": RECORDED,
}
