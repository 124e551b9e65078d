"""Reads predictions out of messages as Structs, whatever a message holds.

A message or an element that cannot be read becomes a Reject, whose reason says what is wrong and where.
``prediction_reader`` reads the same messages faster, as columns, and hands the unusual ones to this reader.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.json_text.parts import raw_items
from schemas.wire.prediction import Prediction, epoch_ms
from schemas.wire.reject import Reject
from streams.consume.unreadable_batch import check_record
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits, TooManyElementsError
from streams.predictions.cloudevents import Defaults, blamed, needed_of, problem_of_defaults, with_defaults
from streams.predictions.envelope import Envelope, envelope_of, usual_bodies
from streams.predictions.json.array_limit import check_array
from streams.predictions.json.general_decoder import decoded_prediction, prediction_in, predictions_in, predictions_of
from streams.predictions.message_elements import JsonElements
from streams.predictions.prediction_checks import (
    may_hold_many_digits,
    problem_in_meaning,
    unwieldy_problem,
    usual_times,
)
from streams.predictions.registry import SchemaCheck
from streams.predictions.reject_reasons import explained
from streams.produce.rejects import ElementRejects, Elements, MessagePart, Rejecter, reject_of
from streams.records import Record

__all__ = ["Arrivals", "MessageReader", "read_predictions"]

ROLE: Final = "intake"
USUAL_LIMITS: Final = MessageLimits()
RUN_MESSAGES: Final = 200
"""Messages that are read at once. One unusual message makes all of them be read again, one by one."""
UNEXPLAINED: Final = MalformedError("not explained")
"""Stands for the error of an element that is only counted (``ElementRejects.is_full``)."""


@dataclasses.dataclass(slots=True)
class Arrivals:
    """The readable events of a batch in order of arrival, and the Rejects.

    The lists beside ``events`` hold, for each event, its time in epoch milliseconds, the partition and offset of its
    message, and its index within an array message, from 0.
    """

    events: list[Prediction] = dataclasses.field(default_factory=list)
    times_ms: list[int] = dataclasses.field(default_factory=list)
    partitions: list[int] = dataclasses.field(default_factory=list)
    offsets: list[int] = dataclasses.field(default_factory=list)
    indexes: list[int] = dataclasses.field(default_factory=list)
    rejects: list[Reject] = dataclasses.field(default_factory=list)


def read_predictions(
    records: Sequence[Record],
    prefix: str,
    *,
    now_ms: int,
    future_ms_max: int,
    bytes_max: int = PREDICTION_BYTES_MAX,
    limits: MessageLimits = USUAL_LIMITS,
    schemas: SchemaCheck | None = None,
) -> Arrivals:
    """Decode and check a batch.

    ``future_ms_max`` bounds how far an event's time may lie ahead of the time at which Kafka received its message, so
    that every reader comes to the same result, at any time. ``bytes_max`` bounds one prediction as JSON, ``limits`` a
    message. ``schemas`` knows the schemas that a registry's prefix names. ``now_ms`` (epoch milliseconds) dates the
    Rejects. An empty array gives neither an event nor a Reject.
    """
    arrivals = Arrivals()
    reader = MessageReader(arrivals, prefix, now_ms, future_ms_max, bytes_max, limits, schemas)
    for start in range(0, len(records), RUN_MESSAGES):
        run = records[start : start + RUN_MESSAGES]
        if not _read_run(run, arrivals, future_ms_max, bytes_max, limits, schemas):
            for record in run:
                reader.read(record)
    return arrivals


def _read_run(
    records: Sequence[Record],
    arrivals: Arrivals,
    future_ms_max: int,
    bytes_max: int,
    limits: MessageLimits,
    schemas: SchemaCheck | None,
) -> bool:
    """Read messages that each hold one usual prediction, all at once; False, with nothing read, if one does not."""
    bodies = usual_bodies(records, limits)
    if bodies is None or bodies.json[0][:1] != b"{" or sum(map(len, bodies.json)) > bytes_max:
        return False
    if schemas is not None and any(map(schemas.problem_of, bodies.schema_ids)):
        return False
    # A long run of digits shows in the joined messages too; one that only the joining made is then ruled out.
    if may_hold_many_digits(b"".join(bodies.json)) and any(map(may_hold_many_digits, bodies.json)):
        return False
    try:
        events = predictions_of(bodies.json, bare=lambda: not any(record.headers() for record in records))
    except UNREADABLE:
        return False
    times_ms = usual_times(events, min([record.timestamp()[1] for record in records]) + future_ms_max)
    if times_ms is None:
        return False
    arrivals.events += events
    arrivals.times_ms += times_ms
    arrivals.partitions += [record.partition() for record in records]
    arrivals.offsets += [record.offset() for record in records]
    arrivals.indexes += [0] * len(events)
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class MessageReader:
    """Reads messages one by one into ``arrivals``; the fields are the parameters of ``read_predictions``."""

    arrivals: Arrivals
    prefix: str
    now_ms: int
    future_ms_max: int
    bytes_max: int
    limits: MessageLimits
    schemas: SchemaCheck | None = None

    def read(self, record: Record) -> None:
        """Read one message: each of its events is accepted or refused, or the message is refused as a whole."""
        latest_ms = record.timestamp()[1] + self.future_ms_max
        try:
            check_record(record, self.limits)
            envelope = envelope_of(record)
            if envelope.schema_id is not None and self.schemas is not None:
                problem = self.schemas.problem_of(envelope.schema_id)
                if problem is not None:
                    raise MalformedError(problem)
            if envelope.is_arrow:
                self._read_arrow(record, envelope, latest_ms)
            elif not self._read_usual(record, envelope, latest_ms):
                self._read_elements(record, envelope, latest_ms)
        except TooManyElementsError as error:
            self._refuse(record, error, elements=error.elements)
        except MalformedError as error:
            self._refuse(record, error)

    def _read_arrow(self, record: Record, envelope: Envelope, latest_ms: int) -> None:
        from streams.arrow.ipc import ArrowElements
        from streams.predictions.arrow.rows import events_of
        from streams.predictions.arrow.stream import table_of

        table = table_of(envelope.body, self.limits.events_max)
        refused = self._refused(record, ArrowElements(table))
        for index, result in enumerate(events_of(table, envelope.defaults, latest_ms, self.bytes_max)):
            if isinstance(result, MalformedError):
                refused.refuse(index, result)
            else:
                self._accept(record, result, index)
        self.arrivals.rejects += refused.rejects()

    def _read_usual(self, record: Record, envelope: Envelope, latest_ms: int) -> bool:
        """Read JSON that decodes as a whole; False, with nothing read, if its elements must be read one by one."""
        data = envelope.body
        single = data[:1] == b"{"
        if envelope.defaults is not None or len(data) > self.bytes_max or may_hold_many_digits(data):
            return False
        check_array(data, self.limits)
        try:
            events = [prediction_in(data)] if single else predictions_in(data)
        except UNREADABLE:
            return False
        if usual_times(events, latest_ms) is None and any(problem_in_meaning(event, latest_ms) for event in events):
            return False
        for index, event in enumerate(events):
            self._accept(record, event, index)
        return True

    def _read_elements(self, record: Record, envelope: Envelope, latest_ms: int) -> None:
        """Read one element after the other; raises MalformedError if the message cannot be split into elements."""
        data = envelope.body
        if data[:1] != b"[":
            event = self._decoded(data, envelope.defaults, latest_ms, envelope, whole=True)
            self._accept(record, event, 0)
            return
        check_array(data, self.limits)
        try:
            items = raw_items(data, self.limits.events_max)
        except UNREADABLE as error:
            raise _within(envelope, MalformedError.of(error, data)) from error
        defaults = envelope.defaults.of_elements() if envelope.defaults else None
        refused = self._refused(record, JsonElements(items))
        for index, item in enumerate(items):
            if refused.is_full and defaults is None and not _decodes(item):
                refused.refuse(index, UNEXPLAINED)
                continue
            try:
                event = self._decoded(item, defaults, latest_ms, envelope, whole=False)
            except MalformedError as error:
                refused.refuse(index, error)
            else:
                self._accept(record, event, index)
        self.arrivals.rejects += refused.rejects()

    def _decoded(
        self, item: bytes, defaults: Defaults | None, latest_ms: int, envelope: Envelope, *, whole: bool
    ) -> Prediction:
        """One element, or the ``whole`` message, as a checked event; raises MalformedError with the reason."""
        needed = needed_of(defaults, item) if defaults is not None else None
        wrong_default = problem_of_defaults(needed) if needed is not None else None
        if wrong_default is not None:
            raise wrong_default
        try:
            if len(item) > self.bytes_max:
                raise MalformedError(f"{len(item)} bytes; a prediction may have {self.bytes_max}")
            producer = needed.producer.text.decode() if needed is not None and needed.producer is not None else ""
            event = _decoded_with(needed, item, producer)
            problem = unwieldy_problem(event) or problem_in_meaning(event, latest_ms)
        except MalformedError as error:
            reason = explained(error, item, whole=whole, schema_id=envelope.schema_id)
            raise _within(envelope, reason) from error
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

    def _refuse(self, record: Record, error: MalformedError, elements: int = 1) -> None:
        """Refuse a whole message, which has so many elements."""
        part = MessagePart(elements=elements, index_last=elements - 1 if elements > 1 else None)
        self.arrivals.rejects.append(reject_of(record, error, self._rejecter, part))

    def _refused(self, record: Record, elements: Elements) -> ElementRejects:
        return ElementRejects(record, elements, self._rejecter)

    @property
    def _rejecter(self) -> Rejecter:
        return Rejecter(self.prefix, ROLE, self.now_ms)


def _decoded_with(needed: Defaults | None, item: bytes, producer: str) -> Prediction:
    """An event, with defaults for the fields that it lacks; raises MalformedError, with paths within ``item``."""
    if needed is None:
        return decoded_prediction(item, producer)
    try:
        return decoded_prediction(with_defaults(item, needed), producer)
    except MalformedError as error:
        if error.field:
            raise
    return decoded_prediction(item, producer)


def _decodes(item: bytes) -> bool:
    """Whether an element decodes, so that its meaning must be checked."""
    try:
        prediction_in(item)
    except UNREADABLE:
        return False
    return True


def _within(envelope: Envelope, error: MalformedError) -> MalformedError:
    """The same error, with a path that begins at the whole message."""
    if envelope.path == "$" or not error.field.startswith("$"):
        return error
    return MalformedError(error.reason.replace("`$", f"`{envelope.path}"), envelope.path + error.field[1:])
