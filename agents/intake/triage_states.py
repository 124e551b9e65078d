"""What triage knows of each model: carried over restarts, undone with a batch, and bounded by places for models."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import NamedTuple

from agents.intake.triage_log import keys_of, state_key
from agents.shared.model_places import ModelPlaces
from review.settings import TriageSettings
from review.triage.carry import Claims, Owner, records_of, scored_by
from review.triage.triage import CarriedState, Triage, TriageSnapshot
from schemas.texts.labels import label_problem
from schemas.topics import TRIAGE_STATE
from streams.produce.outbox import Sending

__all__ = ["LABELS_SEEN_MAX", "Choices", "TriageStates", "Watched"]

LABELS_SEEN_MAX = 100
"""Labels remembered of a model that declares none; others are offered only where the model itself gives them."""


class Choices:
    """The answers that a task offers, in the order of the number keys.

    They are the labels that the settings declare for the model, or else those that the model has been seen to give.

    >>> Choices(("yes", "no")).known, Choices((), seen=("no", "maybe")).known
    (('yes', 'no'), ('maybe', 'no'))
    """

    def __init__(self, declared: tuple[str, ...], seen: Sequence[str] = ()) -> None:
        self._declared = declared
        known = [] if declared else [label for label in seen if label_problem(label) is None]
        self._seen = set(known[:LABELS_SEEN_MAX])

    def see(self, labels: Collection[str]) -> None:
        """Learn labels from what the model answers, unless they are declared."""
        if self._declared:
            return
        for label in sorted(labels):
            if len(self._seen) >= LABELS_SEEN_MAX:
                return
            self._seen.add(label)

    @property
    def seen(self) -> tuple[str, ...]:
        """The labels learned from what the model answers."""
        return tuple(sorted(self._seen))

    @property
    def known(self) -> tuple[str, ...]:
        """The labels to offer: those declared, in their order, or those seen, by name."""
        return self._declared or self.seen


class Watched(NamedTuple):
    """The state of a model that has a place and was used since this worker started."""

    triage: Triage
    choices: Choices


@dataclasses.dataclass(slots=True)
class Undo:
    """What undoes one batch. ``order`` has the models with a place before it, the one used longest ago first.

    ``before`` has the triage of each model used in the batch, None where the model was not used since the start, or had
    no place. ``replaced`` has the states that the batch replaced or removed, ``left`` those of models that lost their
    place.
    """

    order: tuple[str, ...]
    before: dict[str, TriageSnapshot | None] = dataclasses.field(default_factory=dict)
    replaced: dict[str, Watched | CarriedState] = dataclasses.field(default_factory=dict)
    left: dict[str, Watched | CarriedState] = dataclasses.field(default_factory=dict)


class TriageStates:
    """The triage of each model that has a place (``places``), and the choices offered in its tasks.

    The states belong to one worker and outlive it. ``carry`` takes what the log says before the first batch, and after
    each assignment of partitions. ``save`` sends the states to the log at the end of a batch, in the transaction of the
    batch. Without a slot nothing is saved. Where a new model takes another's place, the other's state is forgotten in
    the same transaction: it begins anew when its predictions come again.

    Every change belongs to a batch. ``begin`` opens one behind those that are not committed yet; ``committed`` keeps
    the oldest for good; ``undo`` takes back all that are not committed.
    """

    def __init__(
        self,
        triage_of: Callable[[str], TriageSettings],
        labels_of: Callable[[str], tuple[str, ...]],
        places: ModelPlaces,
    ) -> None:
        self._triage_of = triage_of
        self._labels_of = labels_of
        self._places = places
        self._known: dict[str, Watched | CarriedState] = {}
        """Models with a place, the one used longest ago first."""
        self._batches: deque[Undo] = deque()
        self._slot = ""
        self._partitions: frozenset[int] = frozenset()
        self._claims: Mapping[str, Claims] = {}
        self._unsaved: frozenset[str] = frozenset()
        """Models to be saved although they were not used: the log does not have their state as it was carried over."""
        self._unclaimed: frozenset[str] = frozenset()
        """Models of which the log does not have yet what is left to the next owners of their partitions."""
        self._unforgotten: dict[str, CarriedState] = {}
        """Models without a place among those carried over, until their end is on the log."""

    @property
    def models(self) -> Set[str]:
        """Models that have a place, those carried over and not used yet included."""
        return self._known.keys()

    def scores_known(self, model: str) -> int:
        """How many scores the model's threshold has been shown; 0 for a model without a place."""
        state = self._known.get(model)
        if isinstance(state, CarriedState):
            return state.snapshot.recent.known
        return 0 if state is None else state.triage.scores_known

    def carry(
        self,
        slot: str,
        partitions: Collection[int],
        carried: Mapping[str, CarriedState],
        claims: Mapping[str, Claims],
    ) -> None:
        """Go on from these states by model, the one used longest ago first, as the owner of these partitions.

        No batch is open. A state is saved with the next committed batch if it is not exactly what ``slot`` saved last.
        If there are more states than places, the others are forgotten with that batch. What is left to the next owners
        of other partitions is saved in the same transaction as the state that no longer names those partitions.
        """
        self._slot, self._partitions, self._claims = slot, frozenset(partitions), claims
        self._known, self._unforgotten = {}, {}
        for model, state in carried.items():
            leaver = self._places.leaver(model, self._known, self._is_settled)
            if leaver is not None:
                left = self._known.pop(leaver)
                assert isinstance(left, CarriedState)
                self._unforgotten[leaver] = left
            self._known[model] = state
        self._unsaved = frozenset(
            model
            for model, state in carried.items()
            if not state.is_whole or (model in claims and claims[model].is_new)
        )
        self._unclaimed = frozenset(claims)

    def save(self, outbox: Sending) -> None:
        """End a batch: send the states that it changed, and tombstones of those that it ended."""
        if not self._slot:
            return
        batch = self._batches[-1]
        for model, left in (self._unforgotten | batch.left).items():
            if model not in self._known:
                self._forget(model, left, outbox)
        for model, state in self._known.items():
            if model in self._unsaved and isinstance(state, CarriedState):
                self._save(model, state.snapshot, state.choices, 0, outbox)
        for model, before in batch.before.items():
            now = self._known.get(model)
            if isinstance(now, Watched):
                written = 0 if before is None or model in batch.left else before.recent.known
                self._save(model, now.triage.snapshot(), now.choices.seen, written, outbox)

    def _save(
        self, model: str, snapshot: TriageSnapshot, choices: tuple[str, ...], written: int, outbox: Sending
    ) -> None:
        claims = self._claims.get(model)
        self._leave(model, outbox)
        for record in records_of(
            snapshot,
            Owner(self._slot, self._partitions, claims.epochs if claims else {}),
            model=model,
            choices=choices,
            scored_by=scored_by(self._triage_of(model)),
            written=written,
        ):
            outbox.send(TRIAGE_STATE, state_key(record), record)

    def _leave(self, model: str, outbox: Sending) -> None:
        """Send what the next owners of partitions that were given away take over."""
        claims = self._claims.get(model)
        for record in claims.left if claims and model in self._unclaimed else ():
            outbox.send(TRIAGE_STATE, state_key(record), record)

    def _forget(self, model: str, state: Watched | CarriedState, outbox: Sending) -> None:
        """Send tombstones of what this worker, and the owners of its partitions before it, saved of a model."""
        self._leave(model, outbox)
        snapshot = state.snapshot if isinstance(state, CarriedState) else state.triage.snapshot()
        claims = self._claims.get(model)
        for key in keys_of(snapshot, model=model, slot=self._slot, left=claims.taken if claims else ()):
            outbox.send(TRIAGE_STATE, key, None)

    def begin(self) -> None:
        """Open a batch, behind those that are not committed yet: what changes from now on belongs to it."""
        self._batches.append(Undo(tuple(self._known)))

    def committed(self) -> None:
        """The oldest batch is committed, and is never undone."""
        batch = self._batches.popleft()
        self._unclaimed -= batch.before.keys() | batch.left.keys() | self._unsaved | self._unforgotten.keys()
        self._unsaved = frozenset()
        self._unforgotten = {}

    def undo(self) -> None:
        """Take back what the batches that are not committed changed."""
        while self._batches:
            batch = self._batches.pop()
            self._known = {model: batch.replaced.get(model) or self._known[model] for model in batch.order}
            for model, snapshot in batch.before.items():
                state = self._known.get(model)
                if snapshot is not None and isinstance(state, Watched):
                    state.triage.rewind(snapshot)

    def watched(self, model: str) -> Watched:
        """The state of a model, made where there is none; its first use in a batch makes it the one used last.

        Only the first use counts, so that the log has the models in the same order.
        """
        batch, known = self._batches[-1], self._known.get(model)
        if model in batch.before and isinstance(known, Watched):
            return known
        if known is None:
            self._make_room(model)
        state = self._known.pop(model, None)
        if isinstance(state, Watched):
            batch.before[model] = state.triage.snapshot()
        else:
            batch.before.setdefault(model, None)
            if state is not None:
                batch.replaced.setdefault(model, state)
            state = self._begun(model, state)
        self._known[model] = state
        return state

    def _begun(self, model: str, carried: CarriedState | None) -> Watched:
        triage = Triage(self._triage_of(model), model=model, carried=carried)
        return Watched(triage, Choices(self._labels_of(model), () if carried is None else carried.choices))

    def _make_room(self, model: str) -> None:
        leaver = self._places.leaver(model, self._known, self._is_settled)
        if leaver is not None:
            left, batch = self._known.pop(leaver), self._batches[-1]
            batch.replaced.setdefault(leaver, left)
            batch.left.setdefault(leaver, left)

    def _is_settled(self, model: str) -> bool:
        """Whether triage has warmed up: a name that comes once, or a few times, has not."""
        return self.scores_known(model) >= self._triage_of(model).warmup_events
