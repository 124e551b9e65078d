"""What can go wrong in a worker that a person can put right. The text is one line: what, where, what to do."""

from __future__ import annotations

__all__ = ["AddressLost", "MetricsRefused", "WorkerError"]


class WorkerError(Exception):
    """Why a worker cannot run as it is set up; its text is the one line that is shown."""


class AddressLost(WorkerError):  # noqa: N818 - reads as what happened
    """What was the address of this worker's server may be somebody else's."""


class MetricsRefused(WorkerError):  # noqa: N818 - reads as what happened
    """The worker cannot listen where its /metrics are to be."""
