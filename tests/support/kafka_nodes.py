"""Kills nodes of the embedded Kafka and starts them again."""

from __future__ import annotations

import time

from embedded.kafka.server import EmbeddedKafka


def kill_node(kafka: EmbeddedKafka, node: int = 1) -> None:
    """End a node with SIGKILL, as a crash would."""
    process = kafka.processes.pop(node)
    process.kill()
    process.wait()


def restart_node(kafka: EmbeddedKafka, node: int = 1) -> None:
    """Start a killed node again, and wait until all running nodes answer."""
    kafka.launch_node(node)
    kafka._wait_until_ready(time.monotonic())
