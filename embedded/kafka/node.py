"""One node of the embedded Kafka: its properties, its logging and its command line as text, and the reading of its log.

Paths in these texts are relative to the cluster's folder, which is every node's working folder: Java's properties files
cannot hold blanks, commas and letters outside Latin-1 that the folder's name may have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
"""For a tool that runs for a second, a third of which Java's second compiler would take without repaying it."""
KEY_STORE_OPTIONS: Final = tuple(f"-Dkeystore.pkcs12.{count}IterationCount=1" for count in ("keyPbe", "certPbe", "mac"))
"""Kafka keeps each listener's key in a store in memory, under a password that Java strengthens in 10,000 rounds, which
take a quarter of a start. They protect nothing, because the key lies beside the store in the clear."""
YEAR_MINUTES: Final = 365 * 24 * 60
MESSAGE_OVERHEAD_BYTES: Final = 64 * 1024
"""Room for a message's key, headers and batch framing: brokers accept this much more than clients send."""
REQUEST_OVERHEAD_BYTES: Final = 1024 * 1024
"""Room in a request beside one message of the largest size."""
REQUESTS_AT_ONCE: Final = 16
"""Requests of the largest size that get memory at once; further ones wait."""
REQUESTS_HEAP_SHARE: Final = 0.25
"""The largest share of the heap for requests that are being received."""
OFFSET_METADATA_BYTES: Final = 64
DEDUPE_BUFFER_BYTES: Final = 16 * 1024 * 1024
INDEX_BYTES: Final = 512 * 1024
STACK_FRAME: Final = re.compile(r"\s+(at |\.\.\. \d+ more)")
ERROR_LINE: Final = re.compile(r" (ERROR|FATAL) |^(Exception in thread|Error occurred|Error: )")
EXCEPTION_LINE: Final = re.compile(r"[a-z][\w.$]*\.\w*(Exception|Error|Throwable)(:|$)")


class NodePorts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ports on which a node listens, all on loopback; 0 for one that is not chosen yet."""

    broker: int
    """The plain address, where producers send predictions and read verdicts without a password."""
    controller: int
    users: int = 0
    """Where users sign in."""
    nodes: int = 0
    """Where the nodes, and the program that started them, talk to each other."""


OPEN: Final = "OPEN"
USERS: Final = "USERS"
NODES: Final = "NODES"
CONTROLLER: Final = "CONTROLLER"
PROTOCOLS: Final = {OPEN: "PLAINTEXT", USERS: "SASL_PLAINTEXT", NODES: "SSL", CONTROLLER: "SSL"}


SAME_ON_EVERY_NODE: Final[Mapping[str, object]] = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
    "inter.broker.listener.name": NODES,
    "controller.listener.names": CONTROLLER,
    # Topics are created by request only; these settings are for the broker's own topics.
    "auto.create.topics.enable": "false",
    "num.partitions": 1,
    "offsets.topic.num.partitions": 4,
    "offsets.retention.minutes": YEAR_MINUTES,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.num.partitions": 1,
    # A worker that died within a transaction and does not return delays readers no longer than its timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    # A group does not wait for more members at its first rebalance.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # Small files, and a cleaner that fits the small heap.
    "log.index.size.max.bytes": INDEX_BYTES,
    "log.retention.check.interval.ms": 60_000,
    "log.cleaner.threads": 1,
    "log.cleaner.dedupe.buffer.size": DEDUPE_BUFFER_BYTES,
    "log.cleaner.backoff.ms": 15_000,
    # The metadata of an offset stays in the heap for as long as the offset.
    "offset.metadata.max.bytes": OFFSET_METADATA_BYTES,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.recovery.threads.per.data.dir": 2,
    # Otherwise an idle controller writes twice a second that nothing has happened.
    "metadata.max.idle.interval.ms": 10_000,
    # After a kill -9 a node may return once its old session has run out.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 1000,
    # A controlled shutdown waits five minutes for controllers that have ended before the node.
    "controlled.shutdown.enable": "false",
}
"""Properties that depend on nothing: neither on the node, nor on the size of the cluster, nor on a setting."""


def server_properties(
    node: int, ports: Sequence[NodePorts], settings: EmbeddedKafkaSettings, message_bytes_max: int
) -> str:
    """``server.properties`` of node ``node`` (counted from 1) of a cluster whose nodes have ``ports``.

    The voters are static: the addresses of the controllers are in this file and not in the replicated log, so that
    every port may change between two starts.
    """
    values: dict[str, object] = {
        "node.id": node,
        "log.dirs": f"node-{node}/data",
        **_addresses(node, ports, settings),
        **SAME_ON_EVERY_NODE,
        **_walls(),
        **_copies(len(ports)),
        **_bounds(settings, message_bytes_max),
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _addresses(node: int, ports: Sequence[NodePorts], settings: EmbeddedKafkaSettings) -> dict[str, object]:
    """Where this node listens, and where all controllers do. Clients are not told of the controller's address."""
    listeners = {name: f"{name}://{HOST}:{port}" for name, port in listeners_of(ports[node - 1], settings).items()}
    return {
        "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p.controller}" for n, p in enumerate(ports, start=1)),
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": ",".join(address for name, address in listeners.items() if name != CONTROLLER),
    }


def _copies(nodes: int) -> dict[str, object]:
    """A copy of everything on each node; a write needs two of them where there are that many."""
    in_sync = 2 if nodes > 1 else 1
    return {
        "default.replication.factor": nodes,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": nodes,
        "transaction.state.log.replication.factor": nodes,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": nodes,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _bounds(settings: EmbeddedKafkaSettings, message_bytes_max: int) -> dict[str, object]:
    """Limits of disk space, messages, requests and connections."""
    request_bytes_max = message_bytes_max + REQUEST_OVERHEAD_BYTES
    return {
        "log.retention.bytes": settings.log_retention_bytes,
        "log.segment.bytes": settings.segment_bytes,
        "message.max.bytes": message_bytes_max + MESSAGE_OVERHEAD_BYTES,
        "replica.fetch.max.bytes": message_bytes_max + MESSAGE_OVERHEAD_BYTES,
        # A request gets memory as soon as it has said its size. So each is bounded, and all together, and connections.
        "socket.request.max.bytes": request_bytes_max,
        "queued.max.request.bytes": _requests_bytes(settings, request_bytes_max),
        f"listener.name.{OPEN.lower()}.max.connections": settings.open_connections_max,
    }


def _requests_bytes(settings: EmbeddedKafkaSettings, largest: int) -> int:
    """Bytes for all requests that are being received: room for at least one of the largest size."""
    return max(largest, min(REQUESTS_AT_ONCE * largest, int(settings.heap_mb_max * 1024 * 1024 * REQUESTS_HEAP_SHARE)))


def listeners_of(ports: NodePorts, settings: EmbeddedKafkaSettings) -> dict[str, int]:
    """The port of each listener by name; the plain listener only where the settings open it."""
    is_open = {OPEN: ports.broker} if settings.open_listener else {}
    return {**is_open, USERS: ports.users, NODES: ports.nodes, CONTROLLER: ports.controller}


def _walls() -> dict[str, object]:
    """Properties of sign-in and rights: everything that is not granted is refused. They hold no password."""
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
    """The logging of every node: a rolling file, and at most two old ones."""
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
    """The folder of a node's temporary files, which stay when its process is killed."""
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
        # Libraries unpack themselves here, because the system's temporary folder may forbid to run files.
        f"-Djava.io.tmpdir={temporary_folder(node)}",
        *KEY_STORE_OPTIONS,
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dlog4j2.configurationFile={LOG_CONFIG_FILE}",
        f"-Dwatchloop.node=node-{node}",
    ]


def last_meaningful_line(text: str) -> str:
    """The line of a log that says why a server ended, or "" for an empty text.

    Of the last error: its deepest cause, else its exception, else the error itself. Without an error: the last line
    that is not a stack frame.

    >>> last_meaningful_line("starting\\nException in thread main\\n\\tat kafka.Kafka\\nCaused by: no memory")
    'Caused by: no memory'
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
    """The last ``bytes_max`` bytes of a file as text, or "" where there is no file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - bytes_max))
        return file.read().decode("utf-8", "replace")
