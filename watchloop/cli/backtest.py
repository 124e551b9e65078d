"""``watchloop backtest``."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any, Literal

import msgspec
import typer

from agents.settings import ModelSettings, Settings
from review.settings import TriageSettings
from watchloop.cli.shared import Config, one_line_errors, settings_of
from watchloop.cli.table_options import (
    Confidence,
    Drop,
    Features,
    File,
    NoTime,
    Prediction,
    Probabilities,
    Slices,
    Time,
    TimeUnit,
    TrainFirst,
    print_roles,
    source_of,
)
from watchloop.errors import NoAccess, WatchloopError
from watchloop.recorded.columns import Columns, split
from watchloop.terminal.screen import print_error, print_json, print_line, printing_console

__all__ = ["add_to"]

EXAMPLE = (
    "Example: watchloop backtest watchloop/data/elec2.parquet --label label --drop date,nswprice --train-first 0.2"
    " --budget 0.1 --html report.html"
)


MODEL = "table"
"""The model's name in a backtest. Draws are hashes of names, so that a renamed file gets the same draws."""


def add_to(app: typer.Typer) -> None:
    """Add ``backtest`` to the program's commands."""
    app.command(epilog=EXAMPLE)(backtest)


@one_line_errors
def backtest(
    file: File,
    label: Annotated[str, typer.Option(metavar="COL", help="Column of the true label.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model whose settings apply: [models.NAME].  [the file's name]")
    ] = None,
    time: Time = None,
    time_unit: TimeUnit = None,
    no_time: NoTime = False,
    features: Features = None,
    drop: Drop = None,
    prediction: Prediction = None,
    confidence: Confidence = None,
    probabilities: Probabilities = None,
    train_first: TrainFirst = None,
    slices: Slices = None,
    budget: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of events that people may see, audit included.  [0.1]")
    ] = None,
    audit_rate: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of events drawn at random to measure accuracy.  [0.02]")
    ] = None,
    strategy: Annotated[
        Literal["mix", "learn", "catch"] | None,
        typer.Option(help="Purpose of reviews: teach the model (learn), find errors (catch), or both (mix).  [mix]"),
    ] = None,
    label_delay: Annotated[int, typer.Option(metavar="EVENTS", min=0, help="Events until a reviewer answers.")] = 0,
    late_labels: Annotated[
        int | None,
        typer.Option(metavar="EVENTS", min=0, help="Events until the true label of every event arrives.  [never]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the models and of the audit sample.")] = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="Write the report as JSON.")] = None,
    html: Annotated[pathlib.Path | None, typer.Option(help="Write the report as one page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    config: Config = None,
) -> None:
    """Run the whole loop on a recorded table, to see what a review budget would have bought."""
    if train_first is not None and (prediction or confidence or probabilities):
        raise WatchloopError(
            "--train-first makes predictions of its own; leave out --prediction, --confidence and --probabilities,"
            " and --drop their columns"
        )
    for path in (out, html):
        if path is not None and not path.parent.is_dir():
            raise NoAccess(f"{path}: there is no folder {path.parent}; make it, or name another file")
    changes = {"budget": budget, "audit_rate": audit_rate, "strategy": strategy, "salt": seed or None}
    name = model or file.stem
    given = settings_of(config)
    settings = with_triage(given, name, changes, seed=seed)
    columns = Columns(
        label=label,
        time=time,
        time_unit=time_unit,
        no_time=no_time,
        features=None if features is None else split(features),
        drop=split(drop),
        prediction=prediction,
        confidence=confidence,
        probabilities=split(probabilities),
        slices=split(slices),
    )
    settings = msgspec.structs.replace(settings, models=settings.models | {MODEL: settings.model(name)})
    source = source_of(file, columns, settings, model=MODEL, share=train_first, seed=seed)
    print_roles(source, is_sent=False)
    print_error(f"settings: {_section(given, name)}")
    from watchloop.backtest.loop import BacktestSettings

    options = BacktestSettings(label_delay_events=label_delay, late_labels_events=late_labels)
    _run(source, settings, options, name=file.stem, out=out, html=html, as_json=as_json)


def _section(settings: Settings, name: str) -> str:
    """The section that has the settings of a model of that name, in words."""
    if name in settings.models:
        return f"[models.{name}]"
    return f"[default], as there is no [models.{name}]; --model NAME takes those of another"


def _run(
    source: Any,
    settings: Settings,
    options: Any,
    *,
    name: str,
    out: pathlib.Path | None,
    html: pathlib.Path | None,
    as_json: bool,
) -> None:
    from watchloop.backtest.page import page_of
    from watchloop.backtest.run import run_backtest
    from watchloop.backtest.terminal import backtest_line, conclusion, print_report
    from watchloop.terminal.live_bar import LiveBar

    with LiveBar(printing_console(stderr=True), "backtest", len(source), transient=True) as bar:
        report = run_backtest(
            source, settings, options, progress=lambda loop: bar.show(loop.score.events, backtest_line(loop))
        )
    triage = settings.model(source.model).triage
    text = msgspec.json.format(msgspec.json.encode(report), indent=2)
    if out is not None:
        _write(out, text + b"\n")
    if html is not None:
        _write(html, page_of(report, name, triage).encode())
    if as_json:
        print_json(text.decode())
    elif out is None:
        print_report(report, name, triage)
    else:
        print_line(conclusion(report, triage))


def with_triage(settings: Settings, model: str, changes: dict[str, Any], *, seed: int) -> Settings:
    """The settings, changed for one model by the triage options of the command line, and with ``seed`` for learning."""
    watched = settings.model(model)
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        triage = msgspec.convert({**msgspec.to_builtins(watched.triage), **given}, TriageSettings)
    except msgspec.ValidationError as error:
        raise WatchloopError(_explain(str(error), given)) from error
    learning = msgspec.structs.replace(settings.learning, seed=seed)
    changed: ModelSettings = msgspec.structs.replace(watched, triage=triage)
    models = {**settings.models, model: changed}
    return msgspec.structs.replace(settings, learning=learning, models=models)


def _explain(message: str, given: dict[str, Any]) -> str:
    """The error with the option that is wrong, and the values that it may have."""
    name = message.partition(" - at `$.")[2].rstrip("`")
    if name in given:
        return f"--{name.replace('_', '-')} is {given[name]:g}; expected a share above 0, at most 1"
    return message.replace("audit_rate", "--audit-rate").replace("budget", "--budget", 1)


def _write(path: pathlib.Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise NoAccess(f"{path}: cannot be written: {error.strerror}") from error
