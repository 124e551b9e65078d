"""``watchloop replay``."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING, Annotated

import typer

from watchloop.cli import nouns as cli_nouns
from watchloop.cli.shared import Config, Data, one_line_errors, settings_of, settings_of_running, with_addresses
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
from watchloop.errors import WatchloopError
from watchloop.recorded.columns import Columns, split
from watchloop.terminal.screen import print_error, print_line, printing_console

if TYPE_CHECKING:
    from watchloop.recorded.replay import Replay

__all__ = ["add_to"]

STEP_SECONDS = 0.25

EXAMPLE = (
    "Example: watchloop replay calls.parquet --model churn-rehearsal --label outcome --prediction said --confidence p"
)


def add_to(app: typer.Typer) -> None:
    """Add ``replay`` to the program's commands."""
    app.command(epilog=EXAMPLE)(replay)


@one_line_errors
def replay(
    file: File,
    model: Annotated[str, typer.Option(help="Name under which the model is watched.")],
    label: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of the true label, which is not sent as a feature.")
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
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0 for no pause.")] = 100.0,
    labels: Annotated[bool, typer.Option(help="Send the true labels at the end, for scoring only.")] = False,
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Send to this Kafka.")] = None,
    data: Data = cli_nouns.HERE,
    config: Config = None,
) -> None:
    """Send a recorded table as live predictions. Without a column of times, a row has the time at which it is sent."""
    from streams.admin.topics import check_reachable
    from watchloop.recorded.replay import Replay, send_labels

    if labels and label is None:
        raise WatchloopError("--labels needs --label: which column has the true labels?")
    settings = with_addresses(settings_of(config) if kafka else settings_of_running(config, data, "kafka"), kafka=kafka)
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
    source = source_of(file, columns, settings, model=model, share=train_first, seed=0, is_sent=True)
    kafka_settings = settings.kafka.as_user("replay")
    check_reachable(kafka_settings, cli_nouns.ANSWER_SECONDS_MAX)
    print_roles(source, is_sent=True)
    sender = Replay(kafka_settings, source, events_per_second=rate)
    watch(sender, len(source))
    if sender.failure is not None:
        raise sender.failure
    if labels:
        send_labels(kafka_settings, source)
    also = ", and their true labels for scoring" if labels else ""
    print_line(f"{sender.sent} predictions of {model} sent{also}; their ids are {source.event_id(0)} and so on")


def watch(sender: Replay, events: int) -> None:
    """Run a replay to its end, with its progress on stderr. Ctrl-C stops it; what was sent stays sent."""
    from watchloop.terminal.live_bar import LiveBar

    begin = clock.monotonic()
    with LiveBar(printing_console(stderr=True), "replay", events) as bar:
        sender.start()
        try:
            while not sender.done.wait(STEP_SECONDS):
                bar.show(sender.sent, pace(sender.sent, events, clock.monotonic() - begin))
            bar.show(sender.sent, pace(sender.sent, events, clock.monotonic() - begin))
        except KeyboardInterrupt:
            sender.stop()
            print_error(
                f"watchloop: stopped: {sender.sent} of {events} predictions are sent; the same command sends the same"
                " events again, as retries"
            )
            raise


def pace(sent: int, events: int, seconds: float) -> str:
    """The rate so far and the estimated time left, in words.

    >>> pace(1_000, 12_000, 10.0), pace(0, 12_000, 0.1), pace(12_000, 12_000, 120.0)
    ('100 a second, about 2 min left', 'beginning', '100 a second')
    """
    if not sent or seconds <= 0:
        return "beginning"
    rate = sent / seconds
    left = (events - sent) / rate
    shown = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
    return f"{rate:.0f} a second" + (f", about {shown} left" if sent < events else "")
