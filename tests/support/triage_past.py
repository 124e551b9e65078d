"""What a Triage keeps of past events, in values that compare."""

from __future__ import annotations

from typing import Any

from review.triage.triage import Triage


def past_of(triage: Triage) -> dict[str, Any]:
    """Its snapshot by field; of recent scores how many were known, and the remembered ones, oldest first."""
    past = triage.snapshot()._asdict()
    return past | {"recent": (past["recent"].known, past["recent"].newest.tolist())}
