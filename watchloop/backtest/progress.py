"""How a backtest stands, on the line below its bar."""

from __future__ import annotations

from watchloop.backtest.loop import Loop

__all__ = ["backtest_line"]


def backtest_line(loop: Loop) -> str:
    """What was reviewed so far, what is in charge, and the accuracy of production and of what was in charge."""
    score = loop.score
    return (
        f"{score.reviewed} reviewed, {len(loop.alerts)} alerts, in charge: {loop.served or 'production'},"
        f" accuracy {score.accuracy_model:.3f} → {score.accuracy_learned:.3f}"
    )
