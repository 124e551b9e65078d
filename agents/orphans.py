"""A worker whose parent was killed: it gets SIGTERM from the kernel, but its servers are gone as well."""

from __future__ import annotations

import os
import threading
import time

import structlog

__all__ = ["PARENT_VARIABLE", "end_with_parent"]

log = structlog.get_logger(__name__)

PARENT_VARIABLE = "WATCHLOOP_PARENT"
"""Process id of the program that started this worker and watches it; unset where somebody else does."""

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


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    log.warning("the program that started this worker is gone: this worker ends", parent=parent)
    os._exit(1)
