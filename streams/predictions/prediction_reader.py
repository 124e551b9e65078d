"""Reads predictions out of batches of messages as columns, at the rate of the full stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns
from schemas.json_text.errors import UNREADABLE
from schemas.wire.reject import Reject
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits
from streams.predictions.arrow.arrow_reader import GatheredTables
from streams.predictions.envelope import usual_bodies
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.json.shaped_columns import are_usual, columns_of
from streams.predictions.json.shapes import Shape, Shapes
from streams.predictions.message_reader import Arrivals, read_predictions
from streams.predictions.parts import Part, within_cells
from streams.predictions.prediction_checks import may_hold_many_digits
from streams.predictions.registry import SchemaCheck
from streams.records import Record

__all__ = ["BYTES_AT_ONCE", "MESSAGES_AT_ONCE", "PredictionReader", "Readings"]

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
_origin_of = attrgetter("source_partition", "source_offset", "source_index")


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
        readings = Readings([], [])
        gathered = GatheredEvents()
        tables = GatheredTables(self._future_ms_max, self._bytes_max, self._limits)
        count = 0
        for records in runs:
            others = tables.add(records)
            if others:
                parts = self._read_shaped(others, gathered)
                if parts is None:
                    self._read_one_by_one(others, now_ms, readings)
                else:
                    readings.parts.extend(parts)
            count += 1
            if elements_max is not None and self._elements(readings, gathered, tables) >= elements_max:
                break
        readings.parts.extend(tables.parts())
        if tables.odd:
            self._read_one_by_one(tables.odd, now_ms, readings, from_arrow=True)
            readings.rejects.sort(key=_origin_of)
        readings.parts.extend(gathered.parts())
        return Readings(readings.parts, readings.rejects, count, self._elements(readings))

    def _elements(self, readings: Readings, *waiting: GatheredEvents | GatheredTables) -> int:
        """The elements read so far. A message that was refused for too many of them counts as one that has the most."""
        most = self._limits.events_max
        refused = sum(min(reject.elements, most) for reject in readings.rejects)
        return refused + sum(len(part.columns) for part in readings.parts) + sum(some.count for some in waiting)

    def _read_one_by_one(
        self, records: Sequence[Record], now_ms: int, readings: Readings, *, from_arrow: bool = False
    ) -> None:
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
        readings.parts.extend(_parts_of(arrivals, from_arrow=from_arrow))

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
            columns = columns_of([(shape, len(some))], some, latest_ms)
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


def _parts_of(arrivals: Arrivals, *, from_arrow: bool) -> Iterator[Part]:
    by_model: dict[str, list[int]] = {}
    for number, event in enumerate(arrivals.events):
        by_model.setdefault(event.model, []).append(number)
    origins = [np.array(numbers, np.int64) for numbers in (arrivals.partitions, arrivals.offsets, arrivals.indexes)]
    for numbers in by_model.values():
        for chosen in within_cells(numbers, lambda number: arrivals.events[number].features.keys(), lambda _: 1):
            events = [arrivals.events[number] for number in chosen]
            partitions, offsets, indexes = (column[chosen] for column in origins)
            marks = np.ones(len(events), np.bool_) if from_arrow else None
            yield Part(PredictionColumns.of(events), partitions, offsets, indexes, marks)


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
