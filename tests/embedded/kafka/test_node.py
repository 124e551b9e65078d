"""One node of the embedded Kafka as text, and the folder's small print."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.kafka.cluster import free_ports, is_free, new_cluster_id
from embedded.kafka.node import NodePorts, last_meaningful_line, server_properties
from embedded.kafka.settings import EmbeddedKafkaSettings
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT


@given(st.binary(min_size=16, max_size=16))
def test_cluster_id_is_one_that_kafka_takes(random_bytes: bytes) -> None:
    """Twenty-two letters of URL-safe base64 of which the first is no dash."""
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", new_cluster_id(random_bytes))


def test_cluster_id_that_would_begin_with_a_dash() -> None:
    """The bytes whose base64 begins with a dash are the case the rule is for."""
    assert new_cluster_id(b"\xfb" + bytes(15)).startswith("A")


def test_free_ports_differ_and_are_free() -> None:
    """Ports chosen together are different ones on which a server can listen."""
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("nodes", [1, 3])
def test_every_listener_is_on_loopback(nodes: int) -> None:
    """Nothing listens on an address that another machine reaches, with one node or three."""
    ports = [NodePorts(9000 + n, 9100 + n) for n in range(nodes)]
    text = server_properties(1, ports, EmbeddedKafkaSettings(), MESSAGE_BYTES_MAX_DEFAULT)
    values = dict(line.split("=", 1) for line in text.splitlines())
    addresses = [*values["listeners"].split(","), *values["advertised.listeners"].split(",")]
    assert all("//127.0.0.1:" in address for address in addresses)
    assert values["controller.quorum.voters"].count("@127.0.0.1:") == nodes
    assert values["offsets.topic.replication.factor"] == str(nodes)
    assert values["min.insync.replicas"] == ("2" if nodes == 3 else "1")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("starting\nready\n", "ready"),
        ("ready\n2026-01-01 ERROR disk full (kafka)\nclosing\n", "2026-01-01 ERROR disk full (kafka)"),
        (
            "x ERROR old\nx ERROR exiting\na.b.BadException: id 7\n\tat kafka.Kafka\nx INFO bye\n",
            "a.b.BadException: id 7",
        ),
        ("Exception in thread main\n\tat kafka.Kafka\nCaused by: no memory\n\tat x\n", "Caused by: no memory"),
    ],
)
def test_the_line_that_says_why(text: str, line: str) -> None:
    """Of a log, the cause before the error, the error before the last line, and never a stack frame."""
    assert last_meaningful_line(text) == line
