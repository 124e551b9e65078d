"""A backtest's report as one page that needs nothing else."""

from __future__ import annotations

import pathlib

import jinja2

from review.settings import TriageSettings
from watchloop.backtest.charts import accuracy_chart, stretches_chart
from watchloop.backtest.report import BacktestReport
from watchloop.backtest.terminal import figures, left_out, percent, verdict

__all__ = ["page_of"]

TEMPLATE = pathlib.Path(__file__).parents[1] / "data" / "backtest.html"


def page_of(report: BacktestReport, model: str, triage: TriageSettings) -> str:
    """HTML with its style and drawings inside; it loads nothing from anywhere."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = percent
    page = environment.from_string(TEMPLATE.read_text())
    return page.render(
        report=report,
        model=model,
        triage=triage,
        verdict=verdict(report, triage),
        figures=figures(report),
        left_out=left_out(report) if report.slices_left_out else "",
        live_chart=accuracy_chart(report),
        stretches_chart=stretches_chart(report),
    )
