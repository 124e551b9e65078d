"""What a service that runs a model imports: a producer of predictions and labels, a reader of verdicts.

It needs none of watchloop's roles: it imports ``schemas``, ``streams``, msgspec and confluent_kafka alone.
"""

from __future__ import annotations

from streams.client.delivery import Counts, DeliveryReport
from streams.client.producer import PredictionProducer
from streams.client.verdict_reader import VerdictReader
from streams.errors import BufferFull, NotDelivered, StreamsError, WrongClientSetting, WrongEvent
from streams.settings import KafkaSettings, ProducerSettings, VerdictReaderSettings

__all__ = [
    "BufferFull",
    "Counts",
    "DeliveryReport",
    "KafkaSettings",
    "NotDelivered",
    "PredictionProducer",
    "ProducerSettings",
    "StreamsError",
    "VerdictReader",
    "VerdictReaderSettings",
    "WrongClientSetting",
    "WrongEvent",
]
