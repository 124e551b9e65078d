"""Nodes of the embedded Kafka killed, and brought back."""

from __future__ import annotations

import time

from embedded.kafka.server import EmbeddedKafka


def kill_node(kafka: EmbeddedKafka, node: int = 1) -> None:
    """kill -9: what a crash does."""
    process = kafka.processes.pop(node)
    process.kill()
    process.wait()


def restart_node(kafka: EmbeddedKafka, node: int = 1) -> None:
    """Start a node again that was killed, and wait until all that run answer."""
    kafka.launch_node(node)
    kafka._wait_until_ready(time.monotonic())
