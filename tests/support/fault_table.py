"""The counts that the fault tests keep, as a table at the end of the run, whichever process ran them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each look at everything; the figures grow, because the servers are the same."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "faults"
    ]
    if rows:
        terminalreporter.write_sep("=", "what the faults left: counts so far, after each")
        for line in table(rows):
            terminalreporter.write_line(line)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns as wide as they need; the first is text."""
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(padded)
        )
        for padded in (list(zip(line, widths, strict=True)) for line in cells)
    ]
