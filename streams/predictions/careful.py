"""One message at a time, whatever it holds: what cannot be read becomes a Reject that says what is wrong, and where."""

from __future__ import annotations

import dataclasses
from typing import Final, Protocol

import msgspec

from schemas.codec import UNREADABLE, MalformedError, decode, decoder_of, decoder_of_many, reason_of
from schemas.prediction import Prediction, epoch_ms
from schemas.reject import Reject
from streams.predictions.checks import (
    may_hold_many_digits,
    problem_in_meaning,
    unwieldy_problem,
    usual_times,
)
from streams.predictions.cloudevents import Defaults, blamed, needed_of, problem_of_defaults, with_defaults
from streams.predictions.envelope import Envelope, envelope_of
from streams.predictions.explanations import explained
from streams.records import Record
from streams.rejects import reject_of

__all__ = ["Arrivals", "CarefulReader", "SchemaCheck", "original_of"]

_raw_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


class SchemaCheck(Protocol):
    """What is known of the schemas of a registry."""

    def problem_of(self, schema_id: int) -> str | None:
        """Why messages of that schema cannot be predictions as JSON; None where nothing speaks against it."""


@dataclasses.dataclass(slots=True)
class Arrivals:
    """The readable events of a batch in order of arrival, and the Rejects.

    Of each event its time, the partition and offset of its message, and its place within an array message.
    """

    events: list[Prediction] = dataclasses.field(default_factory=list)
    times_ms: list[int] = dataclasses.field(default_factory=list)
    partitions: list[int] = dataclasses.field(default_factory=list)
    offsets: list[int] = dataclasses.field(default_factory=list)
    indexes: list[int] = dataclasses.field(default_factory=list)
    rejects: list[Reject] = dataclasses.field(default_factory=list)


def original_of(record: Record, index: int) -> bytes:
    """The bytes of one readable prediction as they arrived: the message, or its element ``index`` if it holds many.

    A row of an Arrow stream is an Arrow stream of its own.
    """
    envelope = envelope_of(record)
    if envelope.is_arrow:
        from streams.predictions.arrow_stream import one_row, table_again

        return one_row(table_again(envelope.body), index)
    return bytes(_raw_items.decode(envelope.body)[index]) if envelope.body[:1] == b"[" else record.value() or b""


@dataclasses.dataclass(frozen=True, slots=True)
class CarefulReader:
    """Reads messages into ``arrivals``; ``now_ms`` dates the Rejects."""

    arrivals: Arrivals
    prefix: str
    now_ms: int
    future_ms_max: int
    bytes_max: int
    schemas: SchemaCheck | None = None

    def read(self, record: Record) -> None:
        """One message: every event of it is accepted or refused, or the message is as a whole."""
        latest_ms = record.timestamp()[1] + self.future_ms_max
        try:
            envelope = envelope_of(record)
            if envelope.schema_id is not None and self.schemas is not None:
                problem = self.schemas.problem_of(envelope.schema_id)
                if problem is not None:
                    raise MalformedError(problem)
            if envelope.is_arrow:
                self._read_arrow(record, envelope, latest_ms)
            elif not self._read_usual(record, envelope, latest_ms):
                self._read_elements(record, envelope, latest_ms)
        except MalformedError as error:
            self._refuse(record, error)

    def _read_arrow(self, record: Record, envelope: Envelope, latest_ms: int) -> None:
        from streams.predictions.arrow_rows import events_of
        from streams.predictions.arrow_stream import one_row, table_of

        table = table_of(envelope.body)
        for index, found in enumerate(events_of(table, envelope.defaults, latest_ms, self.bytes_max)):
            if isinstance(found, MalformedError):
                self._refuse(record, found, one_row(table, index), index)
            else:
                self._accept(record, found, index)

    def _read_usual(self, record: Record, envelope: Envelope, latest_ms: int) -> bool:
        """Read JSON that decodes as a whole; False, and nothing is read, where it has to be looked at in parts."""
        data = envelope.body
        single = data[:1] == b"{"
        if envelope.defaults is not None or len(data) > self.bytes_max or may_hold_many_digits(data):
            return False
        try:
            found = [decoder_of(Prediction).decode(data)] if single else decoder_of_many(Prediction).decode(data)
        except UNREADABLE:
            return False
        usual = usual_times(found, latest_ms) is not None
        for index, event in enumerate(found):
            problem = None if usual else problem_in_meaning(event, latest_ms)
            if problem is None:
                self._accept(record, event, index)
            else:
                original = None if single else bytes(_raw_items.decode(data)[index])
                self._refuse(record, _within(envelope, MalformedError(problem)), original, index)
        return True

    def _read_elements(self, record: Record, envelope: Envelope, latest_ms: int) -> None:
        """Read one element after the other; raises MalformedError where there are none to be told apart."""
        data, defaults, whole = envelope.body, envelope.defaults, True
        items = [data]
        if data[:1] == b"[":
            try:
                items, whole = [bytes(item) for item in _raw_items.decode(data)], False
            except UNREADABLE as error:
                raise _within(envelope, MalformedError(reason_of(error, data))) from error
            defaults = defaults.of_elements() if defaults else None
        for index, item in enumerate(items):
            try:
                event = self._decoded(item, defaults, latest_ms, envelope, whole=whole)
            except MalformedError as error:
                self._refuse(record, error, None if whole else item, index)
            else:
                self._accept(record, event, index)

    def _decoded(
        self, item: bytes, defaults: Defaults | None, latest_ms: int, envelope: Envelope, *, whole: bool
    ) -> Prediction:
        """One element, or the ``whole`` of a message, as an event without a problem; raises MalformedError."""
        needed = needed_of(defaults, item) if defaults is not None else None
        wrong_default = problem_of_defaults(needed) if needed is not None else None
        if wrong_default is not None:
            raise wrong_default
        try:
            if len(item) > self.bytes_max:
                raise MalformedError(f"{len(item)} bytes; a prediction may have {self.bytes_max}")
            event = decode(Prediction, item if needed is None else with_defaults(item, needed))
            problem = unwieldy_problem(event) or problem_in_meaning(event, latest_ms)
        except MalformedError as error:
            raise _within(envelope, explained(error, item, whole=whole)) from error
        if problem is not None:
            wrong = MalformedError(problem)
            blame = wrong if needed is None else blamed(wrong, needed)
            raise _within(envelope, wrong) if blame is wrong else blame
        return event

    def _accept(self, record: Record, event: Prediction, index: int) -> None:
        arrivals = self.arrivals
        arrivals.events.append(event)
        arrivals.times_ms.append(epoch_ms(event.time))
        arrivals.partitions.append(record.partition())
        arrivals.offsets.append(record.offset())
        arrivals.indexes.append(index)

    def _refuse(self, record: Record, error: MalformedError, original: bytes | None = None, index: int = 0) -> None:
        self.arrivals.rejects.append(
            reject_of(
                record,
                self.prefix,
                role="intake",
                reason=error.reason,
                field=error.field,
                now_ms=self.now_ms,
                original=original,
                index=index,
            )
        )


def _within(envelope: Envelope, error: MalformedError) -> MalformedError:
    """The same error, its path seen from the whole message."""
    if envelope.path == "$" or not error.field.startswith("$"):
        return error
    return MalformedError(error.reason.replace("`$", f"`{envelope.path}"), envelope.path + error.field[1:])
