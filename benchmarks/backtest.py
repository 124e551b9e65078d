"""What a review budget buys on recorded streams: ``python -m benchmarks.backtest [--strategy mix] [--budget 0.1]``.

Elec2 comes with watchloop; the other streams are looked for in the folder that ``--data`` names. The models are
gradient boosting trained on the first fifth of a stream and then frozen; seeds 0, 1 and 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys

from agents.settings import Settings
from watchloop.backtest.loop import BacktestSettings
from watchloop.backtest.report import BacktestReport
from watchloop.backtest.run import run_backtest
from watchloop.cli.backtest import with_triage
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

ELEC2 = pathlib.Path(__file__).resolve().parent.parent / "watchloop" / "data" / "elec2.parquet"
SEEDS = (0, 1, 2)
TRAIN_FIRST = 0.2


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """A recorded table, by its place in the folder of data sets, and which of its columns are what."""

    name: str
    file: pathlib.Path
    columns: Columns


STREAMS = (
    Stream("elec2", ELEC2, Columns(label="label", drop=("date", "nswprice"))),
    Stream(
        "insects_wbf",
        pathlib.Path("stream_insects_wbf/insects_wbf.parquet"),
        Columns(label="species", features=("wing_beat_hz", "temperature_c")),
    ),
    Stream("noaa_weather", pathlib.Path("stream_noaa_weather/noaa_weather.parquet"), Columns(label="raw_class")),
    Stream("outdoor", pathlib.Path("stream_outdoor/outdoor.parquet"), Columns(label="label")),
)

HEADER = (
    "| stream | seed | frozen | learned | ratio | no change | after review | review rate | errors caught"
    " | by confidence afterwards | promoted at | alerts | intervals that hold | seconds |"
)


def source_of(stream: Stream, file: pathlib.Path, seed: int) -> Replayable:
    """The stream as predictions of a frozen model."""
    table = RecordedTable.load(file, stream.columns)
    return train_first(table, share=TRAIN_FIRST, model=stream.name, seed=seed)


def row_of(stream: Stream, seed: int, report: BacktestReport) -> str:
    """One line of the table."""
    holds = sum(point.low <= point.truth <= point.high for point in report.live_accuracy)
    cells = (
        stream.name,
        f"{seed}",
        f"{report.accuracy_model:.4f}",
        f"{report.accuracy_learned:.4f}",
        f"{report.accuracy_learned / report.accuracy_model:.3f}",
        "–" if report.accuracy_no_change is None else f"{report.accuracy_no_change:.3f}",
        f"{report.accuracy_after_review:.4f}",
        f"{report.review_rate:.4f}",
        f"{100 * report.errors_caught / report.errors:.1f} %",
        f"{100 * report.errors_caught_by_confidence / report.errors:.1f} %",
        ", ".join(f"{change.at}" for change in report.gate.promoted) or "–",
        f"{len(report.alerts)}",
        f"{holds} of {len(report.live_accuracy)}",
        f"{report.seconds:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, one line a stream and seed."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--strategy", default="mix", choices=("mix", "learn", "catch"))
    arguments.add_argument("--budget", type=float, default=0.1)
    arguments.add_argument("--streams", default="", help="only these, with commas")
    arguments.add_argument("--data", type=pathlib.Path, default=pathlib.Path(), help="folder of the other streams")
    given = arguments.parse_args()
    wanted = given.streams.split(",") if given.streams else [stream.name for stream in STREAMS]
    print(HEADER)
    print("|" + "---|" * HEADER.count(" | ") + "---|")
    for stream in STREAMS:
        if stream.name not in wanted:
            continue
        file = given.data / stream.file
        if not file.exists():
            print(f"{stream.name}: left out, {file} is not there", file=sys.stderr)
            continue
        for seed in SEEDS:
            changes = {"budget": given.budget, "strategy": given.strategy, "salt": seed}
            settings = with_triage(Settings(), stream.name, changes, seed=seed)
            report = run_backtest(source_of(stream, file, seed), settings, BacktestSettings())
            print(row_of(stream, seed, report), flush=True)


if __name__ == "__main__":
    main()
