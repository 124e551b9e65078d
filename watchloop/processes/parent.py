"""A worker and the program that started it: the worker holds the same ports, and ends after the program was killed.

When the program is killed, the kernel sends the worker SIGTERM, but the servers end at the same time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

import structlog

from agents.shared.errors import AddressLost
from agents.shared.plan import Listen
from embedded.ports import hold_beside, listen_on_held_port

__all__ = ["HELD_VARIABLE", "PARENT_VARIABLE", "console_socket", "end_with_parent", "hold_clickhouse_port"]

log = structlog.get_logger(__name__)

PARENT_VARIABLE = "WATCHLOOP_PARENT"
"""Process id of the ``up`` that started this worker and watches it; unset for a worker that was started by hand."""

HELD_VARIABLE = "WATCHLOOP_HELD_ADDRESS"
"""HOST:PORT of the ClickHouse that the parent started, and whose port it holds; unset for the user's own server."""

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""After this long the process ends as it is, because without servers it cannot finish its work. Kafka aborts an open
transaction, and hands out everything else again.
"""


def end_with_parent() -> None:
    """End this process after its parent, which a thread watches from now on; do nothing without a parent."""
    parent = os.environ.get(PARENT_VARIABLE, "")
    if parent.isdigit():
        threading.Thread(target=_watch, args=(int(parent),), name="parent", daemon=True).start()


def hold_clickhouse_port() -> contextlib.AbstractContextManager[object]:
    """Hold the port of ClickHouse for as long as this worker may send it a password.

    After the parent was killed its server is gone, and nobody else may listen on the port as long as this worker runs.
    Raises AddressLost where the parent no longer holds the port.
    """
    host, _, port = os.environ.get(HELD_VARIABLE, "").rpartition(":")
    if not port.isdigit():
        return contextlib.nullcontext()
    try:
        held: socket.socket = hold_beside(host, int(port))
    except OSError as error:
        raise AddressLost(
            f"{host}:{port}: the program that started this worker does not hold ClickHouse's port any more "
            f"({error.strerror}); start it again"
        ) from error
    return held


def console_socket() -> Listen | None:
    """How the console gets its socket, on the port that the parent holds; None without a parent."""
    return listen_on_held_port if os.environ.get(PARENT_VARIABLE) else None


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    log.warning("the program that started this worker has ended: this worker ends", parent=parent)
    os._exit(1)
