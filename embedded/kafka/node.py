"""One node of the embedded Kafka as text: its properties, its logging, its command line, and what its log says.

Paths in these texts are relative to the cluster's folder, in which every node runs: Java's properties files would
otherwise stumble over blanks, commas and letters outside Latin-1 in the folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from embedded.kafka.certificate import CERTIFICATE_FILE, COMMON_NAME, KEY_FILE
from embedded.kafka.settings import EmbeddedKafkaSettings

__all__ = [
    "HOST",
    "LOG_CONFIG_FILE",
    "TOOL_OPTIONS",
    "NodePorts",
    "java_options",
    "last_meaningful_line",
    "listeners_of",
    "log4j2_properties",
    "server_properties",
    "tail",
    "temporary_folder",
]

HOST: Final = "127.0.0.1"
MECHANISM: Final = "SCRAM-SHA-512"
"""How users prove who they are."""
LOG_CONFIG_FILE: Final = "log4j2.properties"
TOOL_OPTIONS: Final = ("-XX:TieredStopAtLevel=1",)
"""For a program that runs for a second: what Java's second compiler costs (a third of it) never comes back."""
KEY_STORE_OPTIONS: Final = tuple(f"-Dkeystore.pkcs12.{count}IterationCount=1" for count in ("keyPbe", "certPbe", "mac"))
"""Kafka keeps each listener's key in a store in memory, under a password that Java strengthens in 10,000 rounds: a
quarter of a start. They protect nothing, as the key lies beside it in the clear."""
YEAR_MINUTES: Final = 365 * 24 * 60
MESSAGE_OVERHEAD_BYTES: Final = 64 * 1024
"""Room for a message's key, headers and batch framing: brokers accept this much more than clients send."""
REQUEST_OVERHEAD_BYTES: Final = 1024 * 1024
"""What a request may have beside one message of the largest size."""
REQUESTS_AT_ONCE: Final = 16
"""Largest requests that memory is given to at once; further ones wait."""
REQUESTS_HEAP_SHARE: Final = 0.25
"""Of the heap, at most, for requests that are on their way in."""
OFFSET_METADATA_BYTES: Final = 64
DEDUPE_BUFFER_BYTES: Final = 16 * 1024 * 1024
INDEX_BYTES: Final = 512 * 1024
STACK_FRAME: Final = re.compile(r"\s+(at |\.\.\. \d+ more)")
ERROR_LINE: Final = re.compile(r" (ERROR|FATAL) |^(Exception in thread|Error occurred|Error: )")
EXCEPTION_LINE: Final = re.compile(r"[a-z][\w.$]*\.\w*(Exception|Error|Throwable)(:|$)")


class NodePorts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ports a node listens on, all on loopback; 0 for one that is not chosen yet."""

    broker: int
    """The plain address, for whoever sends predictions and reads verdicts."""
    controller: int
    users: int = 0
    """Where users sign in."""
    nodes: int = 0
    """Where nodes talk to each other, and the program that started them to them."""


OPEN: Final = "OPEN"
USERS: Final = "USERS"
NODES: Final = "NODES"
CONTROLLER: Final = "CONTROLLER"
PROTOCOLS: Final = {OPEN: "PLAINTEXT", USERS: "SASL_PLAINTEXT", NODES: "SSL", CONTROLLER: "SSL"}


def server_properties(
    node: int, ports: Sequence[NodePorts], settings: EmbeddedKafkaSettings, message_bytes_max: int
) -> str:
    """``server.properties`` of node ``node`` (counted from 1) of a cluster whose nodes have ``ports``.

    The voters are static: the controllers' addresses stand here and not in the replicated log, so that every port may
    change between two starts.
    """
    listeners = listeners_of(ports[node - 1], settings)
    copies = len(ports)
    in_sync = 2 if copies > 1 else 1
    values: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p.controller}" for n, p in enumerate(ports, start=1)),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items()),
        "advertised.listeners": ",".join(
            f"{name}://{HOST}:{port}" for name, port in listeners.items() if name != CONTROLLER
        ),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
        "inter.broker.listener.name": NODES,
        "controller.listener.names": CONTROLLER,
        **_walls(),
        "log.dirs": f"node-{node}/data",
        # Topics are created by request only; these count for the broker's own.
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "offsets.retention.minutes": YEAR_MINUTES,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        # A worker that died within a transaction and does not come back holds readers up no longer than its timeout.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        # Nobody waits for members that will not come.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # Bounds: disk by partition, small files, and a cleaner that fits the small heap.
        "log.retention.bytes": settings.log_retention_bytes,
        "log.segment.bytes": settings.segment_bytes,
        "log.index.size.max.bytes": INDEX_BYTES,
        "log.retention.check.interval.ms": 60_000,
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": DEDUPE_BUFFER_BYTES,
        "log.cleaner.backoff.ms": 15_000,
        "message.max.bytes": message_bytes_max + MESSAGE_OVERHEAD_BYTES,
        "replica.fetch.max.bytes": message_bytes_max + MESSAGE_OVERHEAD_BYTES,
        # A request is given memory as soon as it says its size: bounded each, all together, and in who may send any.
        "socket.request.max.bytes": message_bytes_max + REQUEST_OVERHEAD_BYTES,
        "queued.max.request.bytes": _requests_bytes(settings, message_bytes_max + REQUEST_OVERHEAD_BYTES),
        f"listener.name.{OPEN.lower()}.max.connections": settings.open_connections_max,
        # What a group keeps beside an offset lies in the heap for as long as the offset.
        "offset.metadata.max.bytes": OFFSET_METADATA_BYTES,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        # An idle controller writes that nothing happened twice a second otherwise.
        "metadata.max.idle.interval.ms": 10_000,
        # After a kill -9 a node may come back once its old session has run out.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 1000,
        # A node that asks for leave to end waits five minutes for controllers that have ended before it.
        "controlled.shutdown.enable": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _requests_bytes(settings: EmbeddedKafkaSettings, largest: int) -> int:
    """Memory of all requests that are on their way in, at least one of the largest."""
    return max(largest, min(REQUESTS_AT_ONCE * largest, int(settings.heap_mb_max * 1024 * 1024 * REQUESTS_HEAP_SHARE)))


def listeners_of(ports: NodePorts, settings: EmbeddedKafkaSettings) -> dict[str, int]:
    """The port of each listener by its name; the plain one only where the settings have it open."""
    is_open = {OPEN: ports.broker} if settings.open_listener else {}
    return {**is_open, USERS: ports.users, NODES: ports.nodes, CONTROLLER: ports.controller}


def _walls() -> dict[str, object]:
    """Who may come in, and that nobody may do anything that is not granted; no password stands here."""
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:CN={COMMON_NAME}",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.{USERS.lower()}.{MECHANISM.lower()}.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": KEY_FILE,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": CERTIFICATE_FILE,
    }


def log4j2_properties(settings: EmbeddedKafkaSettings) -> str:
    """Logging of every node: one rolling file, warnings of the noisy parts only, at most three files."""
    lines = [
        "status=error",
        "name=kafka",
        "appender.file.type=RollingFile",
        "appender.file.name=file",
        "appender.file.fileName=log/${sys:watchloop.node}.log",
        "appender.file.filePattern=log/${sys:watchloop.node}.log.%i",
        "appender.file.layout.type=PatternLayout",
        "appender.file.layout.pattern=%d{ISO8601} %p %m (%c)%n",
        "appender.file.policies.type=Policies",
        "appender.file.policies.size.type=SizeBasedTriggeringPolicy",
        f"appender.file.policies.size.size={settings.log_file_bytes_max}",
        "appender.file.strategy.type=DefaultRolloverStrategy",
        "appender.file.strategy.max=2",
        "rootLogger.level=INFO",
        "rootLogger.appenderRefs=file",
        "rootLogger.appenderRef.file.ref=file",
    ]
    return "\n".join(lines) + "\n"


def temporary_folder(node: int) -> str:
    """What a node's process may leave behind when it is killed."""
    return f"node-{node}/temporary"


def java_options(node: int, settings: EmbeddedKafkaSettings) -> list[str]:
    """Options of the Java runtime for one node."""
    return [
        "-XX:+UseSerialGC",
        "-Xms64m",
        f"-Xmx{settings.heap_mb_max}m",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        # Libraries that unpack themselves do so here: the system's folder may forbid to run what is in it.
        f"-Djava.io.tmpdir={temporary_folder(node)}",
        *KEY_STORE_OPTIONS,
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dlog4j2.configurationFile={LOG_CONFIG_FILE}",
        f"-Dwatchloop.node=node-{node}",
    ]


def last_meaningful_line(text: str) -> str:
    """The line that says why a server ended, or "" for an empty text.

    From the last error on: its deepest cause, else its exception, else the error itself. Without an error: the last
    line that is no stack frame.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not STACK_FRAME.match(line)]
    errors = [number for number, line in enumerate(lines) if ERROR_LINE.search(line)]
    if not errors:
        return lines[-1] if lines else ""
    section = lines[errors[-1] :]
    causes = [line for line in section if line.startswith("Caused by:")]
    exceptions = [line for line in section if EXCEPTION_LINE.match(line)]
    return (causes[-1:] or exceptions[:1] or section)[0]


def tail(path: Path, bytes_max: int = 65_536) -> str:
    """The end of a file, or "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - bytes_max))
        return file.read().decode("utf-8", "replace")
