"""Settings of the streams room: which Kafka, and how producers and readers use it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from schemas.setting_checks import problem_of_address, problem_of_url

__all__ = [
    "FUTURE_SECONDS_MAX_DEFAULT",
    "MESSAGE_BYTES_MAX_DEFAULT",
    "MESSAGE_OVERHEAD_BYTES",
    "KafkaSettings",
    "KafkaUser",
    "ProducerSettings",
    "VerdictReaderSettings",
    "checked",
]

KafkaUser = Literal["intake", "drift", "desk", "learn", "record", "admin", "replay"]
T = TypeVar("T", bound=msgspec.Struct)

CLIENT_FIXED: Final = frozenset(
    {
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "transactional.id",
    }
)
"""Settings that ``kafka.client`` must not have: exactly-once delivery needs them, or another setting has them."""

CLIENT_INSTEAD: Final = {
    "bootstrap.servers": "kafka.bootstrap names the brokers",
    "group.id": "kafka.prefix says how groups begin",
    "transactional.id": "kafka.prefix says how transactional ids begin",
}

MIB: Final = 1024 * 1024
MESSAGE_BYTES_MAX_DEFAULT: Final = 4 * MIB
FUTURE_SECONDS_MAX_DEFAULT: Final = 86_400
MESSAGE_OVERHEAD_BYTES: Final = 64 * 1024
"""Room for a message's key, headers and batch framing: topics and brokers accept this much more than clients send."""


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which Kafka the program talks to, and what its topics look like there."""

    bootstrap: Annotated[str, Meta(min_length=1, max_length=4096)] = "localhost:9092"
    """Addresses of brokers to connect to first, ``HOST:PORT`` separated by commas."""

    prefix: Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")] = "watchloop."
    """What every topic, consumer group and transactional id of this installation begins with."""

    partitions: Annotated[int, Meta(ge=1, le=1024)] = 4
    """Partitions of each topic that may have more than one; at most so many workers of a role share the load."""

    replication_factor: Annotated[int, Meta(ge=1, le=7)] = 1
    """Copies of each partition; at three or more, a write waits for all copies but one."""

    message_bytes_max: Annotated[int, Meta(ge=64 * 1024, le=64 * MIB)] = MESSAGE_BYTES_MAX_DEFAULT
    """Largest message, for topics and clients alike; a larger one is refused when it is produced, one that is larger
    only once unpacked when it is read."""

    session_seconds: Annotated[int, Meta(ge=1, le=300)] = 10
    """How long a worker that was killed keeps its partitions, before others of its role take over; brokers with Kafka's
    default settings refuse less than 6."""

    client: dict[str, str] = {}
    """librdkafka settings for every client, such as ``security.protocol`` or ``sasl.mechanism``."""

    users: dict[KafkaUser, dict[str, str]] = {}
    """The same for the clients of one role or command alone, such as ``sasl.username`` and ``sasl.password``; they
    have the last word. Roles: ``intake``, ``drift``, ``desk``, ``learn``, ``record``; ``admin`` for
    ``watchloop topics``, ``users`` and ``check``, ``replay`` for ``watchloop replay`` and the demo."""

    registry_url: Annotated[str, Meta(max_length=4096, pattern=r"^(https?://[^\s@]+)?$")] = ""
    """Confluent-compatible schema registry of the prefix of predictions, several addresses separated by commas; if it
    is empty, the prefix is removed and no schema is asked for."""

    registry_user: Annotated[str, Meta(max_length=200, pattern=r"^[^:]*$")] = ""
    """User name for the registry (HTTP basic authentication); empty for none."""

    registry_password: Annotated[str, Meta(max_length=1_000)] = ""
    """Password of ``registry_user``; it belongs in the environment."""

    registry_seconds_max: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """How long the registry may take to answer; after that messages are judged without it, and it is asked again
    later."""

    def as_user(self, user: KafkaUser) -> KafkaSettings:
        """The settings of the clients of one role or command.

        >>> kafka = KafkaSettings(client={"a": "1", "b": "1"}, users={"desk": {"b": "2"}})
        >>> kafka.as_user("desk").client, kafka.as_user("drift").client
        ({'a': '1', 'b': '2'}, {'a': '1', 'b': '1'})
        """
        return msgspec.structs.replace(self, client={**self.client, **self.users.get(user, {})}, users={})

    def __post_init__(self) -> None:
        problems = [problem_of_address(address.strip()) for address in self.bootstrap.split(",")]
        _refuse("bootstrap", problems)
        urls = self.registry_url.split(",") if self.registry_url else ()
        _refuse("registry_url", [problem_of_url(url.strip()) for url in urls])
        for name, client in (
            ("client", self.client),
            *((f"users.{user}", table) for user, table in self.users.items()),
        ):
            ours = sorted(CLIENT_FIXED.intersection(client))
            if ours:
                instead = CLIENT_INSTEAD.get(
                    ours[0], "exactly-once delivery rests on the value that watchloop gives it"
                )
                raise ValueError(f"{name}: {ours[0]} cannot be set here, leave it out: {instead}")


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a service that runs a model sends: bounds of what waits in its memory, and what happens there."""

    buffered_events_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """Events that are sent and not yet reported as delivered or failed; ``at_bound`` says what happens to one more."""

    buffered_kbytes_max: Annotated[int, Meta(ge=1, le=2_097_151)] = 65_536
    """KiB of these events as JSON; a single message that is larger is accepted while nothing else is buffered."""

    at_bound: Literal["wait", "drop"] = "wait"
    """``wait`` for room and then raise BufferFull, or ``drop`` the event at once, count and report it."""

    wait_seconds_max: Annotated[float, Meta(ge=0, le=3_600)] = 1.0
    """Longest wait for room, under ``wait``; 0 raises at once."""

    delivery_seconds_max: Annotated[float, Meta(ge=1, le=86_400)] = 120.0
    """How long delivery of a message is tried, such as while no broker answers; after that its events have failed."""

    close_seconds_max: Annotated[float, Meta(ge=0, le=3_600)] = 10.0
    """How long a close waits for buffered events; those that are left have failed."""

    linger_ms: Annotated[float, Meta(ge=0, le=60_000)] = 20.0
    """How long a message waits for others, so that one request carries them."""

    array_events_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Events in one message of ``send_many``; INTAKE takes as many as ``worker.message_events_max`` says."""

    array_kbytes_max: Annotated[int, Meta(ge=1, le=65_536)] = 256
    """KiB of one message of ``send_many``; a larger event travels alone."""

    future_seconds_max: Annotated[int, Meta(ge=0, le=86_400 * 365)] = FUTURE_SECONDS_MAX_DEFAULT
    """How far the time of a prediction or label may lie ahead of the clock; as ``worker.future_seconds_max``."""


class VerdictReaderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a service reads verdicts."""

    begin: Literal["earliest", "latest"] = "earliest"
    """Where a group that has committed nothing yet begins: at the oldest verdict kept, or behind the newest."""

    read_messages_max: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Messages that one ``read`` returns; each has 200 verdicts at most as JSON, 2,000 as Arrow."""

    fetch_kbytes_max: Annotated[int, Meta(ge=64, le=2_097_151)] = 16_384
    """KiB that are fetched ahead; then the reader fetches no more until some are read."""


def _refuse(name: str, problems: Iterable[str | None]) -> None:
    problem = next((problem for problem in problems if problem), None)
    if problem:
        raise ValueError(f"{name}: {problem}")


def checked(settings: T) -> T:
    """The same settings, after a check of every bound, which a Struct does not check when it is made.

    Raises ValueError that names the setting.

    >>> checked(ProducerSettings(linger_ms=-1))
    Traceback (most recent call last):
        ...
    ValueError: ProducerSettings: Expected `float` >= 0.0 - at `$.linger_ms`
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings), type(settings))
    except msgspec.ValidationError as error:
        raise ValueError(f"{type(settings).__name__}: {error}") from None
