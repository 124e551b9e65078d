"""Predictions out of batches of messages, as columns: the way of the full stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.codec import UNREADABLE
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.reject import Reject
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits
from streams.predictions.envelope import is_arrow, usual_bodies
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.json.shaped_columns import are_usual, columns_of
from streams.predictions.json.shapes import Shape, Shapes
from streams.predictions.message_reader import Arrivals, read_predictions
from streams.predictions.prediction_checks import may_hold_many_digits
from streams.predictions.registry import SchemaCheck
from streams.records import Record

__all__ = ["BYTES_AT_ONCE", "MESSAGES_AT_ONCE", "Part", "PredictionReader", "Readings"]

MESSAGES_AT_ONCE: Final = 1_000
"""Messages looked at together: enough for arithmetic on arrays, few enough to stay in the processor's cache."""

BYTES_AT_ONCE: Final = 1024 * 1024
"""Bytes of messages looked at together: of arrays, which hold many events each, so many fewer."""

EVENTS_ALONE_MIN: Final = 500
"""Events of one model in a run, from which on columns of their own cost no more than waiting for others."""

OBJECT: Final = ord("{")

Ints = npt.NDArray[np.int64]
Share = tuple[Shape, Sequence[Any], Ints, Ints, Ints]
"""Events of one shape, and each one's partition, offset and index."""
_first_byte = itemgetter(0)


class Part(NamedTuple):
    """Events of one model, and where each came from: partition, offset, and place in an array message, shape (n,)."""

    columns: PredictionColumns
    partitions: Ints
    offsets: Ints
    indexes: Ints

    def take(self, places: Ints) -> Part:
        """The events at these places."""
        return Part(self.columns.take(places), self.partitions[places], self.offsets[places], self.indexes[places])

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """The events of parts of one model, partition by partition, each in order."""
        if len(parts) == 1:
            return parts[0]
        partitions, offsets, indexes = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("partitions", "offsets", "indexes")
        )
        found = cls(PredictionColumns.joined([part.columns for part in parts]), partitions, offsets, indexes)
        step, back = np.diff(partitions), offsets[1:] < offsets[:-1]
        if ((step < 0) | ((step == 0) & back)).any():
            # What came as Arrow was read before the rest of its run, what was gathered at the end.
            return found.take(np.lexsort((indexes, offsets, partitions)))
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Readings:
    """What ``runs`` of messages hold: the readable events, in any number of parts a model, and the Rejects."""

    parts: list[Part]
    rejects: list[Reject]
    runs: int = 0
    elements: int = 0
    """Events, and elements that were refused."""


class PredictionReader:
    """Reads messages as columns, and learns what features each model sends (``Shapes``) so as to read them faster.

    The result does not depend on what was learned: whatever a shaped decoder does not read, the general one does.
    ``future_ms_max`` bounds how far a prediction's time may lie ahead of its message's, ``bytes_max`` one prediction's
    JSON, ``limits`` a message; ``schemas`` knows those of a registry. One object a thread.
    """

    def __init__(
        self,
        prefix: str,
        *,
        future_ms_max: int,
        bytes_max: int = PREDICTION_BYTES_MAX,
        limits: MessageLimits | None = None,
        models_max: int = 200,
        schemas: SchemaCheck | None = None,
    ) -> None:
        self._prefix = prefix
        self._future_ms_max = future_ms_max
        self._bytes_max = bytes_max
        self._limits = limits or MessageLimits()
        self._schemas = schemas
        self._shapes = Shapes(models_max)

    def read(self, runs: Iterable[Sequence[Record]], *, now_ms: int, elements_max: int | None = None) -> Readings:
        """Events and Rejects of runs, each of one message or more of one partition; ``now_ms`` dates the Rejects.

        Behind the run with which there are ``elements_max`` none is read any more. How many elements a run has shows
        as it is read; its bytes bound how many those can be.
        """
        found, gathered, count = Readings([], []), GatheredEvents(MESSAGES_AT_ONCE), 0
        for records in runs:
            from_arrow, others = self._read_arrow(records)
            found.parts.extend(from_arrow)
            if others:
                self._read_others(others, now_ms, found, gathered)
            count += 1
            if elements_max is not None and self._elements(found, gathered) >= elements_max:
                break
        elements = self._elements(found, gathered)
        return Readings(found.parts + [Part(*part) for part in gathered.columns()], found.rejects, count, elements)

    def _elements(self, found: Readings, gathered: GatheredEvents) -> int:
        """Elements read; a message refused for having too many is as much work as one that has just not."""
        most = self._limits.events_max
        refused = sum(min(reject.elements, most) for reject in found.rejects)
        return gathered.count + refused + sum(len(part.columns) for part in found.parts)

    def _read_arrow(self, records: Sequence[Record]) -> tuple[list[Part], Sequence[Record]]:
        """What comes as Arrow and is as it should be, and all other messages."""
        headers = list(map(type(records[0]).headers, records))
        places = [place for place, found in enumerate(headers) if is_arrow(found)] if any(headers) else []
        if not places:
            return [], records
        from streams.predictions.arrow.arrow_reader import (
            read_arrow,  # its start is not paid for by who needs none of it
        )

        parts, odd = read_arrow(
            [records[place] for place in places], self._future_ms_max, self._bytes_max, self._limits
        )
        read = {place for number, place in enumerate(places) if number not in odd}
        return [Part(*part) for part in parts], [one for place, one in enumerate(records) if place not in read]

    def _read_others(self, records: Sequence[Record], now_ms: int, found: Readings, gathered: GatheredEvents) -> None:
        parts = self._read_shaped(records, gathered)
        if parts is None:
            arrivals = read_predictions(
                records,
                self._prefix,
                now_ms=now_ms,
                future_ms_max=self._future_ms_max,
                bytes_max=self._bytes_max,
                limits=self._limits,
                schemas=self._schemas,
            )
            self._shapes.learn(arrivals.events)
            found.rejects.extend(arrivals.rejects)
            parts = list(_parts_of(arrivals))
        found.parts.extend(parts)

    def _read_shaped(self, records: Sequence[Record], gathered: GatheredEvents) -> list[Part] | None:
        """The usual run: every message as some shape foresees, nothing to reject; None where any is otherwise.

        A few events of a model are ``gathered`` until there are enough for columns.
        """
        if self._shapes.event_decoder is None:
            return None
        bodies = usual_bodies(records, self._limits)
        if bodies is None or (self._schemas is not None and any(map(self._schemas.problem_of, bodies.schema_ids))):
            return None
        values = bodies.json
        first = set(map(_first_byte, values))
        single = first == {OBJECT}
        if len(first) != 1 or not self._fits(values, single=single):
            return None
        try:
            if single:
                events = list(map(self._shapes.event_decoder.decode, values))
                counts = None
            else:
                assert self._shapes.array_decoder is not None
                found = list(map(self._shapes.array_decoder.decode, values))
                events = [event for one in found for event in one]
                counts = list(map(len, found))
                if max(counts) > self._limits.events_max:
                    return None
        except UNREADABLE:
            return None
        latest_ms = min(map(type(records[0]).timestamp, records))[1] + self._future_ms_max
        return self._parts(events, _places(records, counts), latest_ms, gathered)

    def _fits(self, values: Sequence[bytes], *, single: bool) -> bool:
        """Whether sizes and digits need no closer look."""
        if max(map(len, values)) > self._bytes_max:
            return False
        if not single:
            return not any(map(may_hold_many_digits, values))
        # Digits without end are so in all messages together as well; the reverse is asked of each.
        return not may_hold_many_digits(b"".join(values)) or not any(map(may_hold_many_digits, values))

    def _parts(
        self, events: Sequence[Any], where: tuple[Ints, Ints, Ints], latest_ms: int, gathered: GatheredEvents
    ) -> list[Part] | None:
        if not events:
            return []
        shares = self._shares(events, where)
        if (len(shares) > 1 or len(events) < EVENTS_ALONE_MIN) and are_usual(events, latest_ms):
            for shape, some, *places in shares:
                gathered.add(shape, some, *places)
            return []
        parts = []
        for shape, some, *places in shares:
            columns = columns_of(shape, some, latest_ms)
            if columns is None:
                return None
            parts.append(Part(columns, *places))
        return parts

    def _shares(self, events: Sequence[Any], where: tuple[Ints, Ints, Ints]) -> list[Share]:
        """The events of each shape, in the order in which shapes are met."""
        kinds = [type(events[0])] if len(self._shapes) == 1 else list(map(type, events))
        if kinds.count(kinds[0]) == len(kinds):
            return [(self._shapes.of(kinds[0]), events, *where)]
        places: dict[type, list[int]] = {}
        for place, kind in enumerate(kinds):
            places.setdefault(kind, []).append(place)
        partitions, offsets, indexes = where
        return [
            (self._shapes.of(kind), [events[place] for place in some], partitions[some], offsets[some], indexes[some])
            for kind, some in places.items()
        ]


def _parts_of(arrivals: Arrivals) -> Iterator[Part]:
    by_model: dict[str, list[int]] = {}
    for place, event in enumerate(arrivals.events):
        by_model.setdefault(event.model, []).append(place)
    where = [np.array(one, np.int64) for one in (arrivals.partitions, arrivals.offsets, arrivals.indexes)]
    for places in by_model.values():
        events = [arrivals.events[place] for place in places]
        yield Part(PredictionColumns.of(events), *(one[places] for one in where))


def _places(records: Sequence[Record], counts: Sequence[int] | None) -> tuple[Ints, Ints, Ints]:
    """Partition, offset and index of each event; ``counts`` of array messages."""
    offsets = _offsets(records)
    partition = records[0].partition()
    if counts is None:
        return np.full(len(records), partition), offsets, np.zeros(len(records), np.int64)
    indexes = np.concatenate([np.arange(count) for count in counts])
    return np.full(len(indexes), partition), np.repeat(offsets, counts), indexes


def _offsets(records: Sequence[Record]) -> Ints:
    first, size = records[0].offset(), len(records)
    if records[-1].offset() - first == size - 1:  # they ascend, so none is missing
        return np.arange(first, first + size)
    return np.fromiter(map(type(records[0]).offset, records), np.int64, size)
