"""Messages of the topics that are kept, as rows of ClickHouse's tables; what cannot be a row becomes a Reject."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import structlog

from agents.record.gathered_verdicts import GatheredVerdicts
from schemas.codec import decode_one_or_many, decode_readable
from schemas.columns.block_rows import struct_of
from schemas.json_text.errors import MalformedError
from schemas.topics import BLOCKS, LABELS, PREDICTIONS, REJECTS
from schemas.wire.base import Wire
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.admin.access import RECORDED
from streams.arrow.mark import is_stream
from streams.blocks.block_reader import read_blocks
from streams.consume.record_guard import position_of
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits
from streams.predictions.label_reader import label_of
from streams.predictions.message_elements import JsonElements, elements_of
from streams.predictions.message_reader import read_predictions
from streams.predictions.registry import SchemaCheck
from streams.produce.outbox import Outbox
from streams.produce.rejects import ElementRejects, Elements, Rejecter, reject_of
from streams.records import Record
from streams.settings import FUTURE_SECONDS_MAX_DEFAULT
from streams.verdicts.arrow_messages import VerdictElements, verdict_rows
from warehouse.store.arrow_columns import Identities, prediction_columns
from warehouse.store.inserts import ColumnInsert, Insert, JsonInsert
from warehouse.store.rows import Identity, Row, row_of, rows_of

__all__ = ["MessageRows", "ReadingRules", "Refusals", "SourcePartition"]

W = TypeVar("W", bound=Wire)

log = structlog.get_logger(__name__)

VALUE_OF: Final[dict[str, type[Wire]]] = {topic.name: topic.value for topic in RECORDED if topic.value is not None}
COMPACT: Final = frozenset(topic.name for topic in RECORDED if topic.compact)


class ReadingRules(NamedTuple):
    """How messages are read: INTAKE and LEARN must read predictions and labels by the same rules.

    ``prefix`` begins the topics' names. A prediction or label whose time lies more than ``future_seconds_max`` ahead of
    when Kafka took it is no row, nor is a prediction of more than ``prediction_bytes_max`` bytes as JSON.
    """

    prefix: str
    future_seconds_max: int = FUTURE_SECONDS_MAX_DEFAULT
    prediction_bytes_max: int = PREDICTION_BYTES_MAX
    limits: MessageLimits = MessageLimits()
    schemas: SchemaCheck | None = None


class SourcePartition(NamedTuple):
    """Where rows come from: a topic's name without prefix, Kafka's id of the topic, and the number of a partition."""

    topic: str
    topic_id: str
    number: int


class Refusals:
    """Sends Rejects of what cannot be stored. A Reject that cannot be stored itself is a line in the log instead.

    What is stored is not read again. So ``flush`` is called before rows are stored: Rejects of messages before them
    have then arrived.
    """

    def __init__(self, rules: ReadingRules, clock: Callable[[], float] = time.time) -> None:
        self._prefix = rules.prefix
        self._limits = rules.limits
        self._clock = clock
        self._has_unsent = False

    def refuse(self, record: Record, error: MalformedError, outbox: Outbox) -> None:
        """Send the Reject of a whole message."""
        if not self.is_reject(record, error.reason):
            self.send(reject_of(record, error, self._rejecter), outbox)

    def is_reject(self, record: Record, reason: str) -> bool:
        """Whether the message is a Reject, of which no Reject is made: it is logged with the ``reason``."""
        if record.topic() != self._prefix + REJECTS.name:
            return False
        log.error("a reject cannot be stored", **position_of(record), why=reason)
        return True

    def of_elements(self, record: Record, elements: Elements | None = None) -> ElementRejects:
        """Makes the Rejects of a message's elements; they are read from the message where they are not given."""
        return ElementRejects(record, elements or self._elements_of(record), self._rejecter)

    def _elements_of(self, record: Record) -> Elements:
        if record.topic() == self._prefix + BLOCKS.name:
            return read_blocks(record, self._limits).elements
        data = record.value() or b""
        if is_stream(data) and VALUE_OF.get(record.topic().removeprefix(self._prefix)) is Verdict:
            return VerdictElements(verdict_rows(data))
        return elements_of(record, self._limits.events_max)

    def send(self, reject: Reject | None, outbox: Outbox) -> None:
        """Send a Reject, if there is one."""
        if reject is not None:
            outbox.send(REJECTS, reject.source_key, reject)
            self._has_unsent = True

    def flush(self, outbox: Outbox) -> None:
        """Wait until Kafka has the Rejects that were sent."""
        if self._has_unsent:
            outbox.flush()
            self._has_unsent = False

    @property
    def _rejecter(self) -> Rejecter:
        return Rejecter(self._prefix, "record", int(self._clock() * 1000))


class MessageRows:
    """Reads messages as rows. Bad predictions and labels are left out here: INTAKE and LEARN make their Rejects."""

    def __init__(self, rules: ReadingRules, refusals: Refusals) -> None:
        self._rules = rules
        self._refusals = refusals

    def read(self, source: SourcePartition, records: Sequence[Record], outbox: Outbox) -> Insert | None:
        """The rows of some messages of one partition, in order; None where there are none."""
        if source.topic == PREDICTIONS.name:
            return self._predictions(source, records)
        if VALUE_OF[source.topic] is Verdict:
            return self._verdicts(source, records, outbox)
        if source.topic == BLOCKS.name:
            return self._blocks(source, records, outbox)
        rows: list[Row] = []
        for record, values in self._values(source.topic, records, outbox):
            rows += rows_of(source.topic, values, Identity(source.topic_id, source.number, record.offset()))
        return JsonInsert.of(rows) if rows else None

    def _predictions(self, source: SourcePartition, records: Sequence[Record]) -> Insert | None:
        rules = self._rules
        readable = read_predictions(
            records,
            rules.prefix,
            now_ms=0,
            future_ms_max=rules.future_seconds_max * 1000,
            bytes_max=rules.prediction_bytes_max,
            limits=rules.limits,
            schemas=rules.schemas,
        )
        if not readable.events:
            return None
        identities = Identities(source.topic_id, source.number, readable.offsets, readable.indexes)
        return ColumnInsert(prediction_columns(readable.events, readable.times_ms, identities))

    def _verdicts(self, source: SourcePartition, records: Sequence[Record], outbox: Outbox) -> Insert | None:
        gathered = GatheredVerdicts()
        for record in records:
            data = record.value() or b""
            try:
                if is_stream(data):
                    rows = verdict_rows(data)
                    self._refuse_elements(record, rows.wrong, VerdictElements(rows), outbox)
                    gathered.add_rows(record.offset(), rows)
                else:
                    readable = decode_readable(Verdict, data, self._rules.limits.events_max)
                    self._refuse_elements(record, readable.wrong, JsonElements(readable.items), outbox)
                    gathered.add_structs(record.offset(), readable.values, readable.indexes)
            except MalformedError as error:
                self._refusals.refuse(record, error, outbox)
        return gathered.insert(source.topic_id, source.number)

    def _blocks(self, source: SourcePartition, records: Sequence[Record], outbox: Outbox) -> Insert | None:
        rows: list[Row] = []
        for record in records:
            try:
                read = read_blocks(record, self._rules.limits)
            except MalformedError as error:
                self._refusals.refuse(record, error, outbox)
                continue
            self._refuse_elements(record, read.wrong, read.elements, outbox)
            rows += [
                row_of(source.topic, struct_of(block), Identity(source.topic_id, source.number, record.offset(), index))
                for index, block in sorted(read.blocks.items())
            ]
        return JsonInsert.of(rows) if rows else None

    def _refuse_elements(
        self, record: Record, wrong: Mapping[int, MalformedError], elements: Elements, outbox: Outbox
    ) -> None:
        """Send Rejects of the wrong elements of a message."""
        if not wrong:
            return
        rejects = self._refusals.of_elements(record, elements)
        for index, error in wrong.items():
            rejects.refuse(index, error)
        for reject in rejects.rejects():
            self._refusals.send(reject, outbox)

    def _values(self, topic: str, records: Sequence[Record], outbox: Outbox) -> Iterator[tuple[Record, Sequence[Wire]]]:
        """The values of each message; a compact topic's tombstones have none, and elsewhere there are no tombstones."""
        for record in records:
            data = record.value()
            if data is None and topic in COMPACT:
                continue
            if topic == LABELS.name:
                try:
                    label = label_of(record, self._rules.limits, self._rules.future_seconds_max * 1000)
                except MalformedError:
                    continue
                yield record, [label]
                continue
            try:
                values = values_of(VALUE_OF[topic], data or b"")
            except MalformedError as error:
                self._refusals.refuse(record, error, outbox)
            else:
                yield record, values


def values_of(value_type: type[W], data: bytes) -> list[W]:
    """The values of a message, at least one. Raises MalformedError."""
    values = decode_one_or_many(value_type, data)
    if not values:
        raise MalformedError("an empty array; expected an object")
    return values
