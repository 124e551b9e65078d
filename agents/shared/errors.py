"""Errors of a worker that a person can correct. Their text is one line: what is wrong, where, and what to do."""

from __future__ import annotations

__all__ = ["AddressLost", "MemoryRefused", "MetricsRefused", "WorkerError"]


class WorkerError(Exception):
    """A worker cannot run as it is set up. The text is the one line that is shown."""


class AddressLost(WorkerError):  # noqa: N818 - reads as what happened
    """Another process may have taken the address of the server that this worker uses."""


class MemoryRefused(WorkerError):  # noqa: N818 - reads as what happened
    """The machine has less memory than the settings let a worker take."""


class MetricsRefused(WorkerError):  # noqa: N818 - reads as what happened
    """The worker cannot listen on the address of its /metrics."""
