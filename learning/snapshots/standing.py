"""What is in charge of a model, known without its bytes: by its manifest, and by the answers that it logged."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from schemas.wire.correction import Correction

__all__ = ["Elsewhere", "Standing"]


class Standing(NamedTuple):
    """What was published last: a learned version, or that production is in charge again (``is_learned`` False).

    ``lineage`` names the versions that served before, oldest first.
    """

    version: str
    lineage: tuple[str, ...]
    is_learned: bool

    @property
    def changes(self) -> int:
        """How many versions there have been: MODEL-7 is the seventh; 0 where the name has no number."""
        number = self.version.rpartition("-")[2]
        return int(number) if number.isascii() and number.isdigit() else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Elsewhere:
    """A version in charge that its learner does not hold: INTAKE asks it, and logs what it answers."""

    version: str

    def answer_logged(self, correction: Correction) -> str | None:
        """What it answered when the prediction came; None where it was not asked."""
        return correction.learned_prediction if correction.learned_version == self.version else None
