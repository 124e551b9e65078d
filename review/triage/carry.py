"""How the state of triage survives a restart or a rebalance: as records on the log, put together again later."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from review.settings import TriageSettings
from review.triage.budget import ONE_REVIEW
from review.triage.threshold import RecentScores
from review.triage.triage import CarriedState, TriageSnapshot
from schemas.wire.triage_state import TriageState

__all__ = [
    "Claims",
    "Owner",
    "StoredState",
    "by_model",
    "claims",
    "inherited",
    "parts_of",
    "records_of",
    "scored_by",
]

STRETCH_SCORES: Final = 128
"""Scores in one stretch. A head holds fewer, so that every commit writes about a kilobyte."""

RECORD_BYTES: Final = 500
"""What a record takes beside its scores, roughly."""

CHOICES_CHARS_MAX: Final = 4_000
"""Labels are carried over up to so many characters; the others are offered again once the model has given them."""

LEFT_SCORES_MAX: Final = 4_096
"""Most scores left with one partition: a message of about 45 kB."""

EPOCH_MAX: Final = 2**63 - 1
"""The highest number that a record can hold."""

NONE_WANTED: Final = 2.0
ALL_WANTED: Final = -1.0
"""Scores lie between 0 and 1, and JSON has no infinities."""

Scores = npt.NDArray[np.float64]


def scored_by(settings: TriageSettings) -> str:
    """What a score means under these settings; a threshold only fits scores of the same meaning.

    >>> scored_by(TriageSettings(strategy="catch")), scored_by(TriageSettings())
    ('catch', 'mix 0.5')
    """
    return f"mix {settings.mix_catch_weight!r}" if settings.strategy == "mix" else settings.strategy


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """How a worker becomes the owner of partitions, for one model.

    ``epochs`` are the epochs that its next heads give its partitions. ``left`` are the records of partitions that its
    last head names and that it no longer owns; they are written together with its next head. ``is_new``: its last head
    does not name exactly its present partitions as its own. ``taken`` are those of its partitions for which a former
    owner left a record.
    """

    epochs: Mapping[int, int]
    left: tuple[TriageState, ...]
    is_new: bool
    taken: tuple[int, ...] = ()


@dataclasses.dataclass(slots=True)
class StoredState:
    """The newest records of one worker and model by their part; ``bytes_held`` is roughly what they take."""

    parts: dict[int, TriageState] = dataclasses.field(default_factory=dict)
    bytes_held: int = 0

    @property
    def head(self) -> TriageState | None:
        """The newest record of part 0: everything but the older scores; None where it is not known."""
        return self.parts.get(0)

    def take(self, record: TriageState) -> None:
        """Take in the next record of the log."""
        before = self.parts.get(record.part)
        self.bytes_held += _size(record) - (0 if before is None else _size(before))
        self.parts[record.part] = record

    def drop(self, part: int) -> int:
        """Forget the record of this part, which a tombstone has ended; returns the bytes that it held."""
        before = self.parts.pop(part, None)
        freed = 0 if before is None else _size(before)
        self.bytes_held -= freed
        return freed

    def epochs(self) -> dict[int, int]:
        """The epoch of each partition that the head names; 0 if the head gives none."""
        if self.head is None:
            return {}
        return dict(
            itertools.zip_longest(self.head.partitions, self.head.epochs[: len(self.head.partitions)], fillvalue=0)
        )

    def scores(self) -> Scores:
        """The recent scores, oldest first, as far back as there are stretches without a gap."""
        assert self.head is not None
        stretches = [record for part, record in self.parts.items() if part]
        by_end = {record.first + len(record.scores) // 8: record for record in stretches}
        pieces, first = [_floats(self.head.scores)], self.head.first
        while first in by_end:
            record = by_end.pop(first)
            pieces.append(_floats(record.scores))
            first = record.first
        return np.concatenate(pieces[::-1])


class Owner(NamedTuple):
    """The worker that owns partitions: its slot, and the epochs of those of them that had an owner before."""

    slot: str
    partitions: Collection[int]
    epochs: Mapping[int, int]


def records_of(
    snapshot: TriageSnapshot,
    owner: Owner,
    *,
    model: str,
    choices: Sequence[str],
    scored_by: str,
    written: int,
) -> list[TriageState]:
    """The records that the next commit must write, the head last.

    They are the stretches of scores that were completed since ``written`` scores were known, and the head. A partition
    without an epoch has had no owner before and gets epoch 1.
    """
    scores = snapshot.recent.newest
    known = snapshot.recent.known
    oldest = known - len(scores)
    boundary = max(oldest, known - known % STRETCH_SCORES)
    parts = _stretches_max(snapshot.recent)
    records = []
    for start in range(max(written, oldest) // STRETCH_SCORES * STRETCH_SCORES, boundary, STRETCH_SCORES):
        first = max(start, oldest)
        stretch = scores[first - oldest : start + STRETCH_SCORES - oldest]
        part = 1 + start // STRETCH_SCORES % parts
        records.append(TriageState(model=model, slot=owner.slot, part=part, first=first, scores=_bytes(stretch)))
    head = TriageState(
        model=model,
        slot=owner.slot,
        first=boundary,
        scores=_bytes(scores[boundary - oldest :]),
        partitions=tuple(sorted(owner.partitions)),
        epochs=tuple(owner.epochs.get(partition, 1) for partition in sorted(owner.partitions)),
        events=snapshot.events,
        known=known,
        purse=snapshot.purse,
        forgiven=snapshot.forgiven,
        threshold=min(NONE_WANTED, max(ALL_WANTED, snapshot.threshold)),
        tie_probability=snapshot.tie_probability,
        forced_share=min(1.0, max(0.0, snapshot.forced_share)),
        open_share=min(1.0, max(0.0, snapshot.open_share)),
        run_forced=snapshot.run_forced,
        run_open=snapshot.run_open,
        scored_by=scored_by,
        choices=tuple(
            label
            for label, total in zip(choices, itertools.accumulate(map(len, choices)), strict=True)
            if total <= CHOICES_CHARS_MAX
        ),
    )
    return [*records, head]


def _stretches_max(recent: RecentScores) -> int:
    return recent.scores_max // STRETCH_SCORES + 2


def parts_of(snapshot: TriageSnapshot) -> range:
    """The parts that ``records_of`` may have written of a state so far."""
    return range(1 if snapshot.recent.known < STRETCH_SCORES else 1 + _stretches_max(snapshot.recent))


def inherited(
    states: Sequence[StoredState], partitions: Collection[int], settings: TriageSettings
) -> CarriedState | None:
    """The state that the new owner of ``partitions`` begins with; None if no head names any of them.

    ``states`` are of one model, the newest head last. The last owner of a partition is the one whose head names it with
    the highest epoch. Each of its partitions holds an equal share of its purse, so that a move of partitions neither
    loses nor makes reviews or debts.
    """
    owners = _owners(states)
    taken = [owners[partition][1] for partition in sorted(partitions) if partition in owners]
    heirs = [state for state in states if any(owner is state for owner in taken)]
    if not heirs:
        return None
    head = heirs[0].head
    if len(heirs) == 1 and head is not None and not head.is_left and set(head.partitions) == set(partitions):
        return _whole(heirs[0], settings)
    return _joined(heirs, [sum(owner is heir for owner in taken) for heir in heirs], settings)


def claims(states: Sequence[StoredState], slot: str, partitions: Collection[int], settings: TriageSettings) -> Claims:
    """How worker ``slot`` becomes the owner of ``partitions``; ``states`` are of one model, the newest head last.

    A partition of another worker gets the next epoch. A partition that the worker gives away keeps its epoch in the
    record that is left, so that its new owner wins, whether that record is written before or after the new owner
    commits.
    """
    owners = _owners(states)
    own = next((state for state in states if state.head and not state.head.is_left and state.head.slot == slot), None)
    epochs = {
        partition: epoch if state is own else min(EPOCH_MAX, epoch + 1)
        for partition, (epoch, state) in owners.items()
        if partition in partitions
    }
    taken = tuple(
        state.head.partitions[0] for state in states
        if state.head and state.head.is_left and state.head.partitions and state.head.partitions[0] in partitions
    )  # fmt: skip
    if own is None or own.head is None:
        return Claims(epochs, (), is_new=True, taken=taken)
    given = [p for p in sorted(own.epochs()) if p not in partitions and owners[p][1] is own]
    left = tuple(_left(own, partition, owners[partition][0], settings) for partition in given)
    is_new = set(own.head.partitions) != set(partitions) or any(owners[p][1] is not own for p in epochs)
    return Claims(epochs, left, is_new, taken)


def _owners(states: Sequence[StoredState]) -> dict[int, tuple[int, StoredState]]:
    """The epoch and the state of the last owner of each partition; of equal epochs the newest wins."""
    owners: dict[int, tuple[int, StoredState]] = {}
    for state in states:
        for partition, epoch in state.epochs().items():
            if partition not in owners or epoch >= owners[partition][0]:
                owners[partition] = epoch, state
    return owners


def _left(state: StoredState, partition: int, epoch: int, settings: TriageSettings) -> TriageState:
    """The record that a partition brings its next owner: a share of the purse, and scores enough to skip a warm-up."""
    head = state.head
    assert head is not None
    count, number = len(head.partitions), sorted(head.partitions).index(partition)
    scores = state.scores()[-settings.recent_scores_max :]
    enough = max(1, min(settings.warmup_events, settings.recent_scores_max))
    step = count if len(scores) < enough else min(count, len(scores) // enough)
    step = max(step, -(-len(scores) // LEFT_SCORES_MAX))
    scores = scores[number % step :: step]
    return msgspec.structs.replace(
        head,
        slot=f"/{partition}",
        first=0,
        scores=_bytes(scores),
        known=head.known if step == 1 else len(scores),
        partitions=(partition,),
        epochs=(epoch,),
        events=0,
        purse=head.purse // count,
        forgiven=0,
        run_forced=0,
        run_open=0,
    )


def _whole(state: StoredState, settings: TriageSettings) -> CarriedState:
    head = state.head
    assert head is not None
    scores = state.scores()[-settings.recent_scores_max :]
    whole = head.scored_by == scored_by(settings)
    snapshot = _snapshot(settings, scores if whole else scores[:0], head.known if whole else 0, head)
    if not whole:
        snapshot = snapshot._replace(threshold=settings.warmup_score_min, tie_probability=0.0)
    return CarriedState(snapshot, head.choices, is_whole=whole)


def _joined(states: Sequence[StoredState], counts: Sequence[int], settings: TriageSettings) -> CarriedState:
    """A state from parts of one or several states: purses by partition, scores mixed by their age.

    ``counts`` says how many partitions come from each of ``states``.
    """
    purse, known, scores, choices = 0, 0, [], dict[str, None]()
    forced, opened, newest = 0.0, 0.0, None
    for state, count in zip(states, counts, strict=True):
        head = state.head
        assert head is not None
        # Rounded down, so that rounding never adds to a purse.
        purse += head.purse * count // len(head.partitions)
        forced += head.forced_share * count / sum(counts)
        opened += head.open_share * count / sum(counts)
        choices.update(dict.fromkeys(head.choices))
        if head.scored_by == scored_by(settings):
            known, newest = known + head.known, head
            scores.append(state.scores()[-math.ceil(settings.recent_scores_max * count / sum(counts)) :])
    mixed = _mixed(scores)[-settings.recent_scores_max :]
    shares = TriageState(
        model="m",
        slot="s",
        purse=purse,
        forced_share=min(1.0, forced),
        open_share=min(1.0, opened),
        threshold=settings.warmup_score_min if newest is None else newest.threshold,
        tie_probability=0.0 if newest is None else newest.tie_probability,
    )
    return CarriedState(_snapshot(settings, mixed, max(known, len(mixed)), shares), tuple(choices), is_whole=False)


def _snapshot(settings: TriageSettings, scores: Scores, known: int, head: TriageState) -> TriageSnapshot:
    """A snapshot within the present settings; if some scores are missing, ``known`` counts only those at hand."""
    if len(scores) != min(known, settings.recent_scores_max):
        known = len(scores)
    most, least = settings.carry_reviews_max * ONE_REVIEW, -settings.debt_reviews_max * ONE_REVIEW
    return TriageSnapshot(
        events=head.events,
        purse=max(least, min(most, head.purse)),
        forgiven=head.forgiven,
        threshold=head.threshold,
        tie_probability=head.tie_probability,
        recent=RecentScores(scores, len(scores), known, settings.recent_scores_max),
        forced_share=head.forced_share,
        open_share=head.open_share,
        run_forced=head.run_forced,
        run_open=head.run_open,
    )


def _mixed(pieces: Sequence[Scores]) -> Scores:
    """Sequences merged into one, each spread evenly over it, so that none is forgotten before the others."""
    if not pieces:
        return np.zeros(0)
    ages = np.concatenate([np.arange(len(piece), 0, -1) / max(1, len(piece)) for piece in pieces])
    mixed: Scores = np.concatenate(pieces)[np.argsort(-ages, kind="stable")]
    return mixed


def _size(record: TriageState) -> int:
    return len(record.scores) + RECORD_BYTES


def _bytes(scores: Scores) -> bytes:
    return scores.astype("<f8").tobytes()


def _floats(data: bytes) -> Scores:
    """The scores of a record as numbers from 0 to 1; NaN counts as 0."""
    scores = np.frombuffer(data[: len(data) // 8 * 8], "<f8").astype(np.float64)
    return np.clip(np.nan_to_num(scores, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)


def by_model(states: Mapping[tuple[str, str], StoredState]) -> dict[str, list[StoredState]]:
    """The states of each model; ``states`` has the keys (slot, model). The model of its last state comes last."""
    states_of: dict[str, list[StoredState]] = {}
    for (_, model), state in states.items():
        states_of[model] = [*states_of.pop(model, ()), state]
    return states_of
