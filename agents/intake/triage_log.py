"""The topic ``triage.state``: the state of triage, written with the verdicts, read when partitions are assigned."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

import structlog

from agents.shared.log_values import key_text
from review.settings import TriageSettings
from review.triage.carry import Claims, StoredState, by_model, claims, inherited, parts_of
from review.triage.triage import CarriedState, TriageSnapshot
from schemas.codec import decode
from schemas.json_text.errors import MalformedError
from schemas.topics import TRIAGE_STATE
from schemas.wire.triage_state import TriageState
from streams.consume.log_tail import read_tail
from streams.consume.record_guard import current_position
from streams.records import Record
from streams.settings import KafkaSettings

__all__ = ["StoredStates", "keys_of", "read_states", "state_key"]

log = structlog.get_logger(__name__)

STATES_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of scores held while the log is read; beyond it the oldest state is forgotten."""
KEY: Final = re.compile(r"(?P<slot>/?[^/]+)/(?P<part>[0-9]{1,9})/(?P<model>.+)", re.DOTALL | re.ASCII)
"""The keys that ``state_key`` makes."""
MESSAGES_MAX: Final = 2_000_000
"""The newest messages that are read; a compacted log has far fewer."""


def state_key(state: TriageState) -> str:
    """The key of a record; the topic keeps the newest record of each key. A worker's slot has no slash in it.

    What is left to the next owner of a partition has the same key whoever leaves it. Its writer has read, since its
    partitions were assigned, that no newer owner committed before.
    """
    return f"{state.slot}/{state.part}/{state.model}"


def keys_of(snapshot: TriageSnapshot, *, model: str, slot: str, left: Collection[int]) -> list[str]:
    """The keys of a worker's records of a model, and of what was left to it with the partitions ``left``."""
    own = [f"{slot}/{part}/{model}" for part in parts_of(snapshot)]
    return own + [f"/{partition}/0/{model}" for partition in left]


class StoredStates:
    """The states on the log by worker and model, in at most ``bytes_max`` bytes; the newest is last."""

    def __init__(self, bytes_max: int = STATES_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        # Not a cache of cachetools: the sizes of the values change, and the newest stays however large it is.
        self._states: OrderedDict[tuple[str, str], StoredState] = OrderedDict()
        self._bytes = 0

    def hear(self, data: bytes | None, key: bytes | None = None) -> None:
        """Take the next record. One that cannot be read is logged and left out.

        A tombstone ends the record of its key: the worker has forgotten the model.
        """
        if data is None:
            self._end(key or b"")
            return
        try:
            record = decode(TriageState, data)
        except MalformedError as error:
            log.warning("state of triage not readable, it is left out", why=error.reason, **current_position())
            return
        owner = (record.slot, record.model)
        state = self._states.setdefault(owner, StoredState())
        before = state.bytes_held
        state.take(record)
        self._bytes += state.bytes_held - before
        if record.part == 0:
            self._states.move_to_end(owner)
        while self._bytes > self._bytes_max and len(self._states) > 1:
            (slot, model), forgotten = self._states.popitem(last=False)
            self._bytes -= forgotten.bytes_held
            log.warning("too many states of triage, the oldest is left out", slot=slot, model=model)

    def _end(self, key: bytes) -> None:
        match = KEY.fullmatch(key_text(key))
        if match is None:
            return
        owner = match["slot"], match["model"]
        state = self._states.get(owner)
        if state is not None:
            self._bytes -= state.drop(int(match["part"]))
            if not state.parts:
                del self._states[owner]

    def inherited(
        self, partitions: Collection[int], settings_of: Callable[[str], TriageSettings]
    ) -> dict[str, CarriedState]:
        """The state by model with which the owner of these partitions goes on, the one used longest ago first."""
        states_of = {}
        for model, states in by_model(self._states).items():
            carried = inherited(states, partitions, settings_of(model))
            if carried is not None:
                states_of[model] = carried
        return states_of

    def claims(
        self, slot: str, partitions: Collection[int], settings_of: Callable[[str], TriageSettings]
    ) -> dict[str, Claims]:
        """How the worker ``slot`` becomes the owner of these partitions, for each model on the log."""
        return {
            model: claims(states, slot, partitions, settings_of(model))
            for model, states in by_model(self._states).items()
        }


def read_states(kafka: KafkaSettings) -> StoredStates:
    """Read all states that were committed by now. Raises KafkaUnreachable."""
    began, states = time.monotonic(), StoredStates()

    def hear(record: Record) -> None:
        states.hear(record.value(), record.key())

    messages = read_tail(kafka, [TRIAGE_STATE], since_ms=0, messages_max=MESSAGES_MAX, handle=hear)
    log.info("states of triage read", messages=messages, seconds=time.monotonic() - began)
    return states
