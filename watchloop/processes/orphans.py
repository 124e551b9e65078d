"""A worker whose parent was killed: it gets SIGTERM from the kernel, but its servers are gone as well."""

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

__all__ = ["HELD_VARIABLE", "PARENT_VARIABLE", "console_socket", "end_with_parent", "hold_address"]

log = structlog.get_logger(__name__)

PARENT_VARIABLE = "WATCHLOOP_PARENT"
"""Process id of the program that started this worker and watches it; unset where somebody else does."""

HELD_VARIABLE = "WATCHLOOP_HELD_ADDRESS"
"""HOST:PORT of the ClickHouse that the parent started, and whose port it holds; unset for one of somebody else."""

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""What is in hand cannot be finished without servers: after this long the process ends where it stands. Kafka aborts an
open transaction, and everything else is handed out again.
"""


def end_with_parent() -> None:
    """Watch the parent, if there is one to watch, in a thread of its own."""
    parent = os.environ.get(PARENT_VARIABLE, "")
    if parent.isdigit():
        threading.Thread(target=_watch, args=(int(parent),), name="parent", daemon=True).start()


def hold_address() -> contextlib.AbstractContextManager[object]:
    """Hold the port of ClickHouse for as long as this worker may send it a password.

    Once the parent is killed its server is gone, and nobody else may listen there meanwhile. Raises AddressLost where
    the port is not the parent's any more.
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
    """How the console gets its socket: beside the parent's, which holds the port; None where nobody does."""
    return listen_on_held_port if os.environ.get(PARENT_VARIABLE) else None


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    log.warning("the program that started this worker is gone: this worker ends", parent=parent)
    os._exit(1)
