"""TriageState: what one INTAKE worker's triage of one model knows of past events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schemas.wire.base import Count, Id, Name, Probability, Wire

__all__ = ["TriageState"]

PARTITIONS_MAX = 1_024
CHOICES_MAX = 1_000


class TriageState(Wire, frozen=True, kw_only=True):
    """The head of a state (``part`` 0) or a stretch of the scores before it (``part`` 1 and up).

    A head stands for everything that worker ``slot`` has judged of ``model`` up to the offsets committed in the same
    transaction, of ``partitions`` of the predictions. ``scores`` are 64-bit floats, little-endian, oldest first;
    ``first`` is the number of the first of them among all scores ever seen, of which there are ``known``. A head holds
    those since the last stretch; further back the stretches go on without a gap.

    ``purse`` counts millionths of a review, below zero where escalations overdrew it. Scores above ``threshold`` are
    reviewed, and of those equal to it a share of ``tie_probability``; with a threshold above 1 none are, below 0 all.
    ``forced_share`` and ``open_share`` are moving shares of the events that have to be reviewed and of those that the
    threshold decides; ``run_forced`` and ``run_open`` count both since the threshold last moved. ``scored_by`` says
    what a score means; ``choices`` are the labels seen.

    ``epochs`` number the owners of each partition, in the order of ``partitions``: of all records that name a partition
    the one of the highest epoch holds. A head with the ``slot`` "/3" is about partition 3 alone: the worker that gave
    the partition away left it for the next owner, and it holds even after that worker has written a head without the
    partition.
    """

    model: Id
    slot: Id
    part: Count = 0
    first: Count = 0
    scores: bytes = b""
    partitions: Annotated[tuple[Count, ...], Meta(max_length=PARTITIONS_MAX)] = ()
    epochs: Annotated[tuple[Count, ...], Meta(max_length=PARTITIONS_MAX)] = ()
    events: Count = 0
    known: Count = 0
    purse: int = 0
    forgiven: Count = 0
    threshold: Annotated[float, Meta(ge=-1.0, le=2.0)] = 2.0
    tie_probability: Probability = 0.0
    forced_share: Probability = 0.0
    open_share: Probability = 1.0
    run_forced: int = 0
    run_open: Count = 0
    scored_by: Name = ""
    choices: Annotated[tuple[Name, ...], Meta(max_length=CHOICES_MAX)] = ()

    @property
    def is_left(self) -> bool:
        """Whether it stands for a partition that was given away; a worker's slot has no slash in it."""
        return self.slot.startswith("/")
