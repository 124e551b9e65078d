"""A backtest's report as one HTML page that needs no other file, with two charts as SVG."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Sequence

import jinja2
from markupsafe import Markup, escape

from review.settings import TriageSettings
from watchloop.backtest.report import BacktestReport
from watchloop.backtest.terminal import conclusion, figures, left_out, percent

__all__ = ["page_of"]

TEMPLATE = pathlib.Path(__file__).parents[1] / "data" / "backtest.html"

WIDTH, HEIGHT = 900, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 22, 34
TICK_STEPS = (1, 2, 2.5, 5, 10)


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """Converts replayed events and accuracies into pixels of a chart."""

    events: int
    low: float
    high: float

    def x(self, at: float) -> float:
        """Pixels from the left edge to event number ``at``, counted from 0."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at / max(1, self.events)

    def y(self, share: float) -> float:
        """Pixels from the top edge to an accuracy in [``low``, ``high``]."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - share) / (self.high - self.low)

    @classmethod
    def around(cls, events: int, shares: Iterable[float]) -> Scale:
        """The scale whose ends are the tenths around all shares.

        >>> Scale.around(1_000, [0.62, 0.71])
        Scale(events=1000, low=0.6, high=0.8)
        """
        known = list(shares) or [0.0, 1.0]
        low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
        return cls(events, low, max(high, low + 0.1))


def page_of(report: BacktestReport, model: str, triage: TriageSettings) -> str:
    """The page as HTML, with its style and charts inside; it loads nothing."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = percent
    page = environment.from_string(TEMPLATE.read_text())
    return page.render(
        report=report,
        model=model,
        triage=triage,
        conclusion=conclusion(report, triage),
        figures=figures(report),
        left_out=left_out(report) if report.slices_left_out else "",
        live_chart=accuracy_chart(report),
        stretches_chart=stretches_chart(report),
    )


def accuracy_chart(report: BacktestReport) -> Markup:
    """Live accuracy with its interval, the truth, alerts and promotions, by replayed events."""
    points = report.live_accuracy
    shares = [share for p in points for share in (p.low, p.high, p.truth)]
    scale = Scale.around(report.events, shares)
    band = [(p.at, p.high) for p in points] + [(p.at, p.low) for p in reversed(points)]
    parts = [
        _axes(scale),
        f'<polygon class="band" points="{_pixels(scale, band)}"/>' if points else "",
        _line(scale, "estimate", [(p.at, p.estimate) for p in points]),
        _line(scale, "truth", [(p.at, p.truth) for p in points]),
        *_alerts(scale, report),
        *_promotions(scale, report),
    ]
    return _svg("Live accuracy of the model, with its interval, beside the truth", parts)


def stretches_chart(report: BacktestReport) -> Markup:
    """Accuracies of the model, of what the loop learned, and after review, with a point for each stretch."""
    stretches = report.stretches
    shares = [share for s in stretches for share in (s.model, s.learned, s.after_review)]
    scale = Scale.around(report.events, shares)
    parts = [
        _axes(scale),
        _line(scale, "review", [(s.at, s.after_review) for s in stretches]),
        _line(scale, "truth", [(s.at, s.model) for s in stretches]),
        _line(scale, "learned", [(s.at, s.learned) for s in stretches]),
        *_promotions(scale, report),
    ]
    return _svg("Accuracy of each stretch: the model, what the loop learned, and after review", parts)


def _svg(title: str, parts: Iterable[str]) -> Markup:
    body = "\n".join(part for part in parts if part)
    text = escape(title)
    return Markup(  # noqa: S704 - its texts are escaped where they are inserted
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text}"><title>{text}</title>\n{body}\n</svg>'
    )


def _axes(scale: Scale) -> str:
    bottom = HEIGHT - BOTTOM
    parts = []
    tenths = range(round(scale.low * 10), round(scale.high * 10) + 1)
    for tenth in tenths:
        y = scale.y(tenth / 10)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth * 10} %</text>')
    parts += [
        f'<text class="tick" x="{scale.x(at):.1f}" y="{bottom + 18}" text-anchor="middle">{at}</text>'
        for at in range(0, scale.events + 1, _tick_step(scale.events))
    ]
    return "".join(parts)


def _tick_step(events: int) -> int:
    """A round number of events that gives the axis five to ten ticks."""
    power = 10 ** max(0, math.floor(math.log10(max(1, events / 8))))
    return max(1, next(int(power * step) for step in TICK_STEPS if power * step >= events / 8))


def _pixels(scale: Scale, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{scale.x(at):.1f},{scale.y(share):.1f}" for at, share in points)


def _line(scale: Scale, name: str, points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="{name}" points="{_pixels(scale, points)}"/>' if points else ""


def _alerts(scale: Scale, report: BacktestReport) -> Iterable[str]:
    for alert in report.alerts:
        text = f"{alert.signal}: {alert.detector}, after event {alert.at}"
        yield _mark(scale, alert.at, f"alert {alert.severity}", text)


def _promotions(scale: Scale, report: BacktestReport) -> Iterable[str]:
    for change in report.gate.promoted:
        yield _mark(scale, change.at, "promoted", f"{change.version} takes charge after event {change.at}")


def _mark(scale: Scale, at: int, name: str, text: str) -> str:
    x = scale.x(at)
    return (
        f'<g class="{escape(name)}"><title>{escape(text)}</title>'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{HEIGHT - BOTTOM}"/>'
        f'<circle cx="{x:.1f}" cy="{TOP - 8}" r="4"/></g>'
    )
