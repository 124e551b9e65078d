"""Reads predictions out of batches of messages as columns, at the rate of the full stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns
from schemas.json_text.errors import UNREADABLE
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
"""Messages read together: enough for arithmetic on arrays, few enough to stay in the processor's cache."""

BYTES_AT_ONCE: Final = 1024 * 1024
"""Bytes of messages read together. Array messages hold many events each, so fewer of them are read together."""

EVENTS_ALONE_MIN: Final = 500
"""Events of one model in a run for which making columns at once costs no more than gathering further ones first."""

OBJECT: Final = ord("{")

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Share = tuple[Shape, Sequence[Any], Ints, Ints, Ints]
"""Events of one shape, and the partition, offset and index of each."""
_first_byte = itemgetter(0)


class Part(NamedTuple):
    """Events of one model, and where each came from: partition, offset, and index in an array message, shape (n,).

    ``from_arrow`` marks those that came in Arrow messages, shape (n,); None where none did.
    """

    columns: PredictionColumns
    partitions: Ints
    offsets: Ints
    indexes: Ints
    from_arrow: Flags | None = None

    def arrow_marks(self) -> Flags:
        """``from_arrow`` as an array, also where no event came in an Arrow message."""
        return np.zeros(len(self.offsets), np.bool_) if self.from_arrow is None else self.from_arrow

    def take(self, chosen: Ints) -> Part:
        """The events at these positions of the part, in this order."""
        return Part(
            self.columns.take(chosen),
            self.partitions[chosen],
            self.offsets[chosen],
            self.indexes[chosen],
            None if self.from_arrow is None else self.from_arrow[chosen],
        )

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """The events of several parts of one model, ordered by partition and offset."""
        if len(parts) == 1:
            return parts[0]
        partitions, offsets, indexes = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("partitions", "offsets", "indexes")
        )
        from_arrow = None
        if any(part.from_arrow is not None for part in parts):
            from_arrow = np.concatenate([part.arrow_marks() for part in parts])
        columns = PredictionColumns.joined([part.columns for part in parts])
        joined = cls(columns, partitions, offsets, indexes, from_arrow)
        step, back = np.diff(partitions), offsets[1:] < offsets[:-1]
        if ((step < 0) | ((step == 0) & back)).any():
            # Arrow messages were read before the rest of their run, and gathered events come at the end.
            return joined.take(np.lexsort((indexes, offsets, partitions)))
        return joined


@dataclasses.dataclass(frozen=True, slots=True)
class Readings:
    """The readable events of so many ``runs`` of messages, in one or more parts a model, and the Rejects."""

    parts: list[Part]
    rejects: list[Reject]
    runs: int = 0
    elements: int = 0
    """The number of events and refused elements."""


class PredictionReader:
    """Reads messages as columns, and learns which features each model sends (``Shapes``) to read them faster.

    The result does not depend on what was learned: what a shaped decoder does not read is read by the general one.
    ``future_ms_max`` bounds how far the time of a prediction may lie ahead of that of its message. ``bytes_max`` bounds
    one prediction as JSON, ``limits`` a message. ``schemas`` knows the schemas of a registry. For one thread.
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
        """Read runs, each of one or more messages of one partition; ``now_ms`` (epoch milliseconds) dates the Rejects.

        No further run is read once there are ``elements_max`` elements. The number of elements of a run is known only
        when it has been read; the bytes of the run bound it.
        """
        readings, gathered, count = Readings([], []), GatheredEvents(MESSAGES_AT_ONCE), 0
        for records in runs:
            from_arrow, others = self._read_arrow(records)
            readings.parts.extend(from_arrow)
            if others:
                self._read_others(others, now_ms, readings, gathered)
            count += 1
            if elements_max is not None and self._elements(readings, gathered) >= elements_max:
                break
        elements = self._elements(readings, gathered)
        parts = readings.parts + [Part(*columns) for columns in gathered.columns()]
        return Readings(parts, readings.rejects, count, elements)

    def _elements(self, readings: Readings, gathered: GatheredEvents) -> int:
        """The elements read so far. A message that was refused for too many of them counts as one that has the most."""
        most = self._limits.events_max
        refused = sum(min(reject.elements, most) for reject in readings.rejects)
        return gathered.count + refused + sum(len(part.columns) for part in readings.parts)

    def _read_arrow(self, records: Sequence[Record]) -> tuple[list[Part], Sequence[Record]]:
        """The parts of the Arrow messages that are right, and all other messages."""
        headers = list(map(type(records[0]).headers, records))
        chosen = [index for index, given in enumerate(headers) if is_arrow(given)] if any(headers) else []
        if not chosen:
            return [], records
        from streams.predictions.arrow.arrow_reader import read_arrow  # slow to import, and rarely needed

        arrow_records = [records[index] for index in chosen]
        parts, odd = read_arrow(arrow_records, self._future_ms_max, self._bytes_max, self._limits)
        read = {index for number, index in enumerate(chosen) if number not in odd}
        return (
            [Part(*part, from_arrow=np.ones(len(part[1]), np.bool_)) for part in parts],
            [record for index, record in enumerate(records) if index not in read],
        )

    def _read_others(
        self, records: Sequence[Record], now_ms: int, readings: Readings, gathered: GatheredEvents
    ) -> None:
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
            readings.rejects.extend(arrivals.rejects)
            parts = list(_parts_of(arrivals, _arrow_offsets(records)))
        readings.parts.extend(parts)

    def _read_shaped(self, records: Sequence[Record], gathered: GatheredEvents) -> list[Part] | None:
        """Read a usual run, in which every message fits a shape and nothing is rejected; None if the run is not usual.

        Small numbers of events of a model are ``gathered`` until there are enough for columns.
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
                arrays = list(map(self._shapes.array_decoder.decode, values))
                events = [event for array in arrays for event in array]
                counts = list(map(len, arrays))
                if max(counts) > self._limits.events_max:
                    return None
        except UNREADABLE:
            return None
        latest_ms = min(map(type(records[0]).timestamp, records))[1] + self._future_ms_max
        return self._parts(events, _origins(records, counts), latest_ms, gathered)

    def _fits(self, values: Sequence[bytes], *, single: bool) -> bool:
        """Whether no message may hold too large a prediction or too long an integer."""
        if max(map(len, values)) > self._bytes_max:
            return False
        if not single:
            return not any(map(may_hold_many_digits, values))
        # A long run of digits shows in the joined messages too; one that only the joining made is then ruled out.
        return not may_hold_many_digits(b"".join(values)) or not any(map(may_hold_many_digits, values))

    def _parts(
        self, events: Sequence[Any], origins: tuple[Ints, Ints, Ints], latest_ms: int, gathered: GatheredEvents
    ) -> list[Part] | None:
        """Parts of events; None if one of them may be wrong. ``origins`` are their partitions, offsets and indexes."""
        if not events:
            return []
        shares = self._shares(events, origins)
        if (len(shares) > 1 or len(events) < EVENTS_ALONE_MIN) and are_usual(events, latest_ms):
            for shape, some, *their_origins in shares:
                gathered.add(shape, some, *their_origins)
            return []
        parts = []
        for shape, some, *their_origins in shares:
            columns = columns_of(shape, some, latest_ms)
            if columns is None:
                return None
            partitions, offsets, indexes = their_origins
            parts.append(Part(columns, partitions, offsets, indexes))
        return parts

    def _shares(self, events: Sequence[Any], origins: tuple[Ints, Ints, Ints]) -> list[Share]:
        """The events of each shape, in the order in which shapes are met."""
        structs = [type(events[0])] if len(self._shapes) == 1 else list(map(type, events))
        if structs.count(structs[0]) == len(structs):
            return [(self._shapes.of(structs[0]), events, *origins)]
        chosen: dict[type, list[int]] = {}
        for number, struct in enumerate(structs):
            chosen.setdefault(struct, []).append(number)
        partitions, offsets, indexes = origins
        return [
            (self._shapes.of(struct), [events[n] for n in some], partitions[some], offsets[some], indexes[some])
            for struct, some in chosen.items()
        ]


def _arrow_offsets(records: Sequence[Record]) -> list[int]:
    """The offsets of the Arrow messages among some of one partition."""
    return [record.offset() for record in records if is_arrow(record.headers())]


def _parts_of(arrivals: Arrivals, arrow_offsets: Sequence[int]) -> Iterator[Part]:
    by_model: dict[str, list[int]] = {}
    for number, event in enumerate(arrivals.events):
        by_model.setdefault(event.model, []).append(number)
    origins = [np.array(numbers, np.int64) for numbers in (arrivals.partitions, arrivals.offsets, arrivals.indexes)]
    for chosen in by_model.values():
        events = [arrivals.events[number] for number in chosen]
        partitions, offsets, indexes = (column[chosen] for column in origins)
        from_arrow = np.isin(offsets, arrow_offsets) if arrow_offsets else None
        yield Part(PredictionColumns.of(events), partitions, offsets, indexes, from_arrow)


def _origins(records: Sequence[Record], counts: Sequence[int] | None) -> tuple[Ints, Ints, Ints]:
    """Partition, offset and index of each event; ``counts`` are the lengths of array messages, None for single ones."""
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
