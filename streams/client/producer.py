"""With ``PredictionProducer`` a service that runs a model sends predictions and late labels."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.topics import LABELS, PREDICTIONS, Topic
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from streams.client.delivery import Counts, DeliveryReport, Ledger
from streams.client.outgoing import label_json, packed, prediction_json
from streams.client_config import LOGGER
from streams.errors import BufferFull, NotDelivered, WrongClientSetting, WrongEvent
from streams.message_limits import prediction_bytes_max
from streams.produce.outbox import producer_config
from streams.settings import KafkaSettings, ProducerSettings, checked

__all__ = ["PredictionProducer"]

KIB: Final = 1024
FRAMING_BYTES: Final = 16 * KIB
"""Bytes of a message that its key and its framing may take."""
SPARE_MESSAGES: Final = 1_000
"""How far librdkafka's own bound is above ours: it forgets a message a moment after it has reported its delivery."""
POLL_SECONDS: Final = 0.1
PAUSE_SECONDS_MIN: Final = 0.005
PAUSE_SECONDS_MAX: Final = 0.25
PURGE_SECONDS_MAX: Final = 5.0
PURGED: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class PredictionProducer:
    """Checks predictions and labels, sends them in bounded memory, and reports whether Kafka took each.

    A wrong event raises WrongEvent (a ValueError) when it is sent, instead of becoming a Reject later. An event waits
    in memory until Kafka has taken it. While no broker answers, delivery is tried for ``delivery_seconds_max``. While
    ``buffered_events_max`` events or ``buffered_kbytes_max`` KiB wait, ``at_bound`` decides: ``send`` waits for at most
    ``wait_seconds_max`` and then raises BufferFull, or it drops the event.

    ``on_delivery`` is called with a DeliveryReport for every message, in the producer's own thread; for a message that
    is dropped or refused at once, in the thread that sends it. It must return quickly; an exception that it raises is
    only logged. ``counts`` and ``last_failure`` work without it.

    Methods may be called from several threads. Make the producer after a fork, and close it: events that are buffered
    when the process ends are lost. Raises ValueError for a setting out of bounds and WrongClientSetting for a setting
    that librdkafka refuses; it does not need a broker yet.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ProducerSettings | None = None,
        *,
        on_delivery: Callable[[DeliveryReport], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kafka = checked(kafka)
        self._settings = checked(settings or ProducerSettings())
        self._on_delivery = on_delivery
        self._clock = clock
        self._ledger = Ledger(self._settings.buffered_events_max, self._settings.buffered_kbytes_max * KIB)
        self._last_failure: DeliveryReport | None = None
        self._ended = threading.Event()
        self._client = _client(self._kafka, self._settings)
        self._thread = threading.Thread(target=self._run, name="watchloop producer", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """How many events were delivered, failed, were dropped, or are still buffered."""
        return self._ledger.counts

    @property
    def last_failure(self) -> DeliveryReport | None:
        """The newest report of events that failed or were dropped; None if there is none."""
        return self._last_failure

    def send(self, prediction: Prediction) -> bool:
        """Check one prediction and buffer it, with its ``event_id`` as key; False if it was dropped or refused at once.

        Raises WrongEvent or BufferFull.
        """
        data = self._json(prediction)
        return self._put(PREDICTIONS, (prediction.event_id,), data)

    def send_many(self, predictions: Iterable[Prediction]) -> int:
        """Check predictions and buffer them in arrays; returns how many predictions were buffered.

        The key of an array is its first ``event_id``. An array holds at most ``array_events_max`` events and
        ``array_kbytes_max`` KiB. Raises WrongEvent, whose ``index`` is that of the wrong prediction (those before it
        were buffered), or BufferFull, whose ``taken`` says how many were buffered.
        """
        taken = 0
        arrays = packed(
            self._checked(predictions),
            events_max=self._settings.array_events_max,
            bytes_max=min(self._settings.array_kbytes_max * KIB, self._kafka.message_bytes_max - FRAMING_BYTES),
        )
        for event_ids, data in arrays:
            try:
                taken += len(event_ids) if self._put(PREDICTIONS, event_ids, data) else 0
            except BufferFull as error:
                error.taken = taken
                raise
        return taken

    def send_label(self, label: Label) -> bool:
        """Check one label and buffer it, with its ``event_id`` as key; returns and raises what ``send`` does."""
        if not isinstance(label, Label):
            raise TypeError(f"expected a schemas.wire.label.Label, got {type(label).__name__}")
        data = label_json(label, now_ms=int(self._clock() * 1000), future_seconds_max=self._settings.future_seconds_max)
        return self._put(LABELS, (label.event_id,), data)

    def flush(self, seconds_max: float = 10.0) -> int:
        """Wait until every event has its report, for at most ``seconds_max``; returns how many are still buffered."""
        return self._ledger.wait_until_empty(seconds_max)

    def close(self) -> None:
        """Flush for at most ``close_seconds_max``, count events that are left as failed, and end the thread.

        Raises NotDelivered if events failed or were dropped and there is no ``on_delivery`` to report it.
        """
        if not self._ledger.close():
            return
        if self.flush(self._settings.close_seconds_max):
            self._client.purge()
            self.flush(PURGE_SECONDS_MAX)
        self._ended.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        counts, last = self.counts, self._last_failure
        if last is not None and self._on_delivery is None:
            raise NotDelivered(
                f"{counts.failed} events were not delivered and {counts.dropped} were dropped, "
                f"{last.event_ids[0]!r} the last of them: {last.reason}"
            )

    def __enter__(self) -> PredictionProducer:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except NotDelivered:
            if exc is None:
                raise

    def _run(self) -> None:
        """Call the functions of delivery reports that have arrived, until the producer is closed."""
        while not self._ended.is_set():
            self._client.poll(POLL_SECONDS)

    def _json(self, prediction: Prediction) -> bytes:
        if not isinstance(prediction, Prediction):
            raise TypeError(f"expected a schemas.wire.prediction.Prediction, got {type(prediction).__name__}")
        return prediction_json(
            prediction,
            now_ms=int(self._clock() * 1000),
            future_seconds_max=self._settings.future_seconds_max,
            bytes_max=prediction_bytes_max(self._kafka.message_bytes_max),
        )

    def _checked(self, predictions: Iterable[Prediction]) -> Iterator[tuple[str, bytes]]:
        for index, prediction in enumerate(predictions):
            try:
                data = self._json(prediction)
            except WrongEvent as error:
                raise WrongEvent(f"{error.what} at index {index}", error.reason, error.field, index) from None
            yield prediction.event_id, data

    def _put(self, topic: Topic, event_ids: tuple[str, ...], data: bytes) -> bool:
        """Buffer one message; False, with a report, if it was dropped or refused at once."""
        deadline = time.monotonic() + self._settings.wait_seconds_max
        pause = PAUSE_SECONDS_MIN
        while (taken := self._try(topic, event_ids, data)) is None:
            left = deadline - time.monotonic()
            # The producer's own thread must not wait: reports make room, and they arrive in that thread.
            if self._settings.at_bound == "drop" or left <= 0 or threading.current_thread() is self._thread:
                return self._full(topic, event_ids, data)
            self._ledger.wait(min(pause, left))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
        return taken

    def _try(self, topic: Topic, event_ids: tuple[str, ...], data: bytes) -> bool | None:
        """Hand one message to librdkafka: None while there is no room, False if it is refused for good."""
        events, size = len(event_ids), len(data)
        if not self._ledger.reserve(events, size):
            return None
        report = functools.partial(self._reported, topic, event_ids, size)
        try:
            self._client.produce(self._kafka.prefix + topic.name, data, event_ids[0], on_delivery=report)
        except BufferError:
            self._ledger.give_back(events, size)
            return None
        except KafkaException as error:
            self._ledger.settle(events, size, delivered=False)
            self._report(DeliveryReport(topic.name, event_ids, data, error.args[0].str()))
            return False
        return True

    def _full(self, topic: Topic, event_ids: tuple[str, ...], data: bytes) -> bool:
        full = f"the buffer is full ({self.counts.buffered} events, {self._ledger.buffered_bytes // KIB} KiB)"
        if self._settings.at_bound == "wait":
            raise BufferFull(
                f"{full} and had no room for {event_ids[0]!r} within {self._settings.wait_seconds_max:g} s: "
                f"Kafka at {self._kafka.bootstrap} is away, or takes less than is sent"
            )
        self._ledger.drop(len(event_ids))
        self._report(DeliveryReport(topic.name, event_ids, data, f"dropped: {full}"))
        return False

    def _reported(
        self, topic: Topic, event_ids: tuple[str, ...], size: int, error: KafkaError | None, message: Message
    ) -> None:
        """Kafka has taken a message, or it has failed; called in the producer's own thread."""
        try:
            if error is not None:
                reason = "the producer was closed before Kafka had it" if error.code() in PURGED else error.str()
                self._report(DeliveryReport(topic.name, event_ids, message.value() or b"", reason))
            elif self._on_delivery is not None:
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                self._report(DeliveryReport(topic.name, event_ids, message.value() or b"", "", partition, offset))
        finally:
            # After the report: when ``flush`` returns, every report has been made.
            self._ledger.settle(len(event_ids), size, delivered=error is None)

    def _report(self, report: DeliveryReport) -> None:
        if report.reason:
            self._last_failure = report
            LOGGER.warning("%s not sent: %r: %s", report.topic, report.event_ids[0], report.reason)
        if self._on_delivery is None:
            return
        try:
            self._on_delivery(report)
        except Exception:  # noqa: BLE001  # the caller's own function, in a thread that must go on
            LOGGER.exception("on_delivery failed")


def _client(kafka: KafkaSettings, settings: ProducerSettings) -> Producer:
    kbytes_max = max(settings.buffered_kbytes_max, kafka.message_bytes_max // KIB)
    config = {
        **producer_config(kafka),
        "linger.ms": settings.linger_ms,
        "message.timeout.ms": int(settings.delivery_seconds_max * 1000),
        "queue.buffering.max.messages": settings.buffered_events_max + SPARE_MESSAGES,
        "queue.buffering.max.kbytes": kbytes_max + kafka.message_bytes_max // KIB,
        **kafka.client,
    }
    try:
        return Producer(config)
    except KafkaException as error:
        raise WrongClientSetting(f"librdkafka refuses a setting of the producer: {error.args[0].str()}") from None
