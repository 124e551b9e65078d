"""What can go wrong in a worker that a person can put right. The text is one line: what, where, what to do."""

from __future__ import annotations

__all__ = ["MetricsRefused"]


class MetricsRefused(Exception):  # noqa: N818 - reads as what happened
    """The worker cannot listen where its /metrics are to be."""
