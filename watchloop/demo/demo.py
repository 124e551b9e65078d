"""``watchloop up --demo elec2``: replays the Elec2 stream through the whole loop, with simulated reviewers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from rich.console import Console

from agents.shared.groups import GROUPS
from console.desk.protocol import LoopState
from schemas.topics import LABELS, PREDICTIONS, Topic
from streams.admin.lag import lags_of_groups
from streams.errors import StreamsError
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.run_summary import RunSummary, is_answered, run_summary
from watchloop.demo.console_client import ConsoleClient
from watchloop.demo.reviewers import SimulatedReviewers, reviewer_names
from watchloop.errors import ConsoleRefused
from watchloop.people import person_of, read_people, write_people
from watchloop.processes.stopping import Background, Stopped, stoppable
from watchloop.processes.up import ADMIN, Running, UpOptions, print_addresses, up
from watchloop.recorded.columns import Columns, CountedTimes
from watchloop.recorded.replay import Replay, ids_sent, send_labels
from watchloop.recorded.replayable import Replayable, no_change_accuracy
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first
from watchloop.settings import ProgramSettings, inline_value
from watchloop.terminal.live_bar import LiveBar
from watchloop.terminal.screen import print_table, say

__all__ = ["DEMOS", "DemoOptions", "print_summary", "run_demo"]

STEP_SECONDS = 0.25
STALL_SECONDS_MAX = 60.0
"""The demo waits no longer for rows when none has arrived for so many seconds."""
DRAIN_SECONDS_MAX = 900.0
"""The demo waits no longer for verdicts, labels or answers after so many seconds, even if some still arrive."""

ALERTS_SHOWN_MAX = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Demo:
    """A recorded stream in the package, with the roles of its columns and the share that trains the frozen model."""

    file: pathlib.Path
    columns: Columns
    train_first: float
    labels: tuple[str, ...]


DEMOS = {
    "elec2": Demo(
        file=pathlib.Path(__file__).parents[1] / "data" / "elec2.parquet",
        # The file counts half-hours from 1996-05-07 00:00 on.
        columns=Columns(
            label="label",
            time="t",
            drop=("date", "nswprice"),
            counted_times=CountedTimes(first_ms=831_427_200_000, step_ms=1_800_000),
        ),
        train_first=0.2,
        labels=("DOWN", "UP"),
    )
}


@dataclasses.dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of the command line. The replay takes ``seconds`` and sends ``events`` events (0: all)."""

    name: str
    reviewers: int = 3
    seconds: float = 100.0
    events: int = 0
    exit: bool = False


def run_demo(settings: ProgramSettings, options: UpOptions, demo: DemoOptions, out: Console) -> None:
    """Start the program and run the demo in it: to its summary if ``exit`` is set, else until Ctrl-C."""
    chosen = DEMOS[demo.name]
    settings = with_labels(settings, demo.name, chosen.labels)
    source = Background(lambda: _source(demo, chosen))
    with contextlib.suppress(Stopped), stoppable() as stop, up(settings, options, out, stop) as running:
        running.supervisor.during(lambda: Session(running, demo, source.result(), out, stop).run(), stop)


def with_labels(settings: ProgramSettings, model: str, labels: tuple[str, ...]) -> ProgramSettings:
    """The settings with the labels of a model, in this process and, through the environment, in its workers."""
    watched = settings.model(model)
    named = msgspec.structs.replace(watched, labels=watched.labels or labels)
    for field, value in msgspec.to_builtins(named).items():
        # All settings of the model: one that has its own table takes nothing from [default].
        os.environ[f"WATCHLOOP_MODELS_{model}__{field}"] = value if isinstance(value, str) else inline_value(value)
    return msgspec.structs.replace(settings, models={**settings.models, model: named})


def _source(demo: DemoOptions, chosen: Demo) -> Replayable:
    table = RecordedTable.load(chosen.file, chosen.columns)
    source = train_first(table, share=chosen.train_first, model=demo.name, seed=0)
    if demo.events and demo.events < len(source):
        source = dataclasses.replace(source, answers=source.answers[: demo.events])
    return source


class Session:
    """One run of a demo: the replay with its progress, the wait for the last answers, and the summary."""

    def __init__(
        self, running: Running, demo: DemoOptions, source: Replayable, out: Console, stop: threading.Event
    ) -> None:
        self._running = running
        self._demo = demo
        self._source = source
        self._out = out
        self._stop = stop
        self._kafka = running.settings.kafka.as_user("replay")
        self._warehouse = Warehouse(running.settings.clickhouse)
        self._state: LoopState | None = None
        self._counted: dict[str, int] = {}

    def run(self) -> None:
        """Replay to the end, wait until nothing more happens, print the summary. ``stop`` ends it without a summary."""
        already = self._sent(PREDICTIONS)
        if already:
            say(
                self._out,
                f"{len(already)} predictions of an earlier run are here already; the replay goes on with the rest.",
            )
        rate = len(self._source) / self._demo.seconds if self._demo.seconds else 0.0
        replay = Replay(self._kafka, self._source, events_per_second=rate, already=already)
        # The replay needs no console and starts before the console does.
        replay.start()
        if not self._running.wait_for_console(self._stop):
            replay.stop()
            return
        print_addresses(self._running, self._out)
        watcher = threading.Thread(target=self._watch_state, name="state", daemon=True)
        watcher.start()
        reviewers = self._reviewers()
        with LiveBar(self._out, "replay", len(self._source)) as bar:
            while not self._stop.is_set() and not self._until(replay.done.is_set, bar, replay, reviewers):
                continue
            if replay.failure is not None:
                raise replay.failure
            if not self._stop.is_set():
                self._come_to_rest(bar, replay, reviewers)
        if self._stop.is_set():
            replay.stop()
            reviewers.stop()
            return
        print_summary(self._out, self._demo.name, run_summary(self._warehouse.query, self._demo.name), self._source)
        if not self._demo.exit:
            say(self._out, "the console stays up; Ctrl-C stops everything", "dim")
            self._stop.wait()
        reviewers.stop()

    def _reviewers(self) -> SimulatedReviewers:
        names = reviewer_names(self._demo.reviewers)
        passwords = {name: secrets.token_urlsafe(12) for name in names}
        kafka = self._running.settings.kafka.as_user("admin")
        known = read_people(kafka) if names else {}
        write_people(
            kafka,
            [
                person_of(
                    name,
                    password,
                    ("reviewer",),
                    name="Simulated reviewer",
                    simulated=True,
                    version=known[name].version + 1 if name in known else 0,
                )
                for name, password in passwords.items()
            ],
        )
        source = self._source
        truths = {source.event_id(row): truth for row, truth in enumerate(source.truths)}
        reviewers = SimulatedReviewers(self._running.endpoints.console, passwords, self._demo.name, truths)
        reviewers.start()
        return reviewers

    def _until(self, done: Callable[[], bool], bar: LiveBar, replay: Replay, reviewers: SimulatedReviewers) -> bool:
        """Wait until ``done`` returns True; False where nothing moves any more, or where it takes too long."""
        begin = moved = time.monotonic()
        seen: object = None
        while not self._stop.is_set():
            bar.show(replay.sent, demo_line(self._state, self._demo.name, reviewers.answered))
            if done():
                return True
            now, counts = time.monotonic(), (replay.sent, reviewers.answered, dict(self._counted))
            moved, seen = (now, counts) if counts != seen else (moved, seen)
            if now - moved > STALL_SECONDS_MAX or now - begin > DRAIN_SECONDS_MAX:
                return False
            self._stop.wait(STEP_SECONDS)
        return False

    def _come_to_rest(self, bar: LiveBar, replay: Replay, reviewers: SimulatedReviewers) -> None:
        """Wait until ClickHouse has every verdict and label, and every answer of simulated reviewers."""
        size = len(self._source)
        send_labels(self._kafka, self._source, self._sent(LABELS))
        steps: list[tuple[str, Callable[[], bool]]] = [
            ("verdicts", lambda: self._stored("verdicts") >= size),
            ("labels", lambda: self._stored("labels") >= size),
            ("answers", self._is_at_rest),
        ]
        for what, done in steps:
            say(self._out, f"waiting for the last {what}", "dim")
            if not self._until(done, bar, replay, reviewers) and not self._stop.is_set():
                say(self._out, f"not all {what} have come; the figures below are without the others", "yellow")

    def _is_at_rest(self) -> bool:
        """Whether no task waits for simulated reviewers, and no role has unread messages that may add tasks."""
        return self._is_answered() and self._nothing_waits() and self._is_answered()

    def _is_answered(self) -> bool:
        if self._demo.reviewers == 0:
            return True
        self._stored("corrections")
        try:
            return is_answered(self._warehouse.query, self._demo.name)
        except WarehouseError:
            return False

    def _nothing_waits(self) -> bool:
        try:
            lags = lags_of_groups(self._running.settings.kafka.as_user("admin"), GROUPS)
        except StreamsError:
            return False
        return not any(lag.messages for lag in lags.values())

    def _sent(self, topic: Topic) -> set[str]:
        """The event ids that an earlier run has sent, from Kafka and, beyond its retention, from ClickHouse."""
        rows = self._query(f"SELECT event_id FROM {topic.name} WHERE model = {{m:String}}")  # noqa: S608
        return {str(row["event_id"]) for row in rows} | ids_sent(self._kafka, topic, self._demo.name)

    def _stored(self, table: str) -> int:
        rows = self._query(f"SELECT count() AS rows FROM {table} WHERE model = {{m:String}}")  # noqa: S608
        self._counted[table] = int(rows[0]["rows"]) if rows else 0
        return self._counted[table]

    def _query(self, sql: str) -> list[dict[str, Any]]:
        try:
            return self._warehouse.query(sql, {"m": self._demo.name})
        except WarehouseError:  # a wait asks again, and event ids come from Kafka too
            return []

    def _watch_state(self) -> None:
        asyncio.run(self._ask_state())

    async def _ask_state(self) -> None:
        console = ConsoleClient(self._running.endpoints.console, ADMIN, self._running.admin_password)
        signed_in = False
        while not self._stop.wait(1.0):
            try:
                if not signed_in:
                    await console.sign_in()
                    signed_in = True
                self._state = await console.state()
            except (ConsoleRefused, httpx.HTTPError):  # the console starts again, or the session has ended
                signed_in = False


def demo_line(state: LoopState | None, name: str, answered: int) -> str:
    """The line below the progress bar: how the loop stands with model ``name``, and answers of simulated reviewers."""
    model = next((model for model in state.models if model.model == name), None) if state else None
    if model is None:
        return "waiting for the first verdicts"
    verdicts = sum(model.decisions.values())
    return (
        f"{verdicts} verdicts, {sum(model.open_tasks.values())} open tasks, "
        f"{answered} answered by simulated reviewers, {model.alerts_firing} alerts firing, in charge: {model.in_charge}"
    )


def print_summary(out: Console, model: str, summary: RunSummary, source: Replayable) -> None:
    """Print counts, alerts, and accuracies over the same events, from the figures that ClickHouse has."""
    accuracies = summary.accuracies
    was_promoted = any(version.recipe != "production" for version in summary.versions)
    rows = [
        ("events", summary.events),
        ("verdicts", ", ".join(f"{count} {name}" for name, count in summary.verdicts.items())),
        ("rejects", summary.rejects),
        ("tasks answered", summary.tasks_answered),
        ("corrections", ", ".join(f"{count} by {name}" for name, count in summary.corrections.items()) or "0"),
        (
            "model versions",
            f"{len(summary.versions)}" + (f", last {summary.versions[-1].version}" if summary.versions else ""),
        ),
        ("accuracy of the frozen model", _share(accuracies.frozen)),
        ("accuracy of the learned model", _share(accuracies.learned) if was_promoted else "none was promoted"),
        ("accuracy after review", _share(accuracies.after_review)),
        ("repeating the last label", _share(no_change_accuracy(source.truths))),
    ]
    print_table(out, (), rows, title=f"{model}: what the loop did (from ClickHouse)")
    if summary.alerts:
        alerts = [
            (alert.fired_at_event, alert.signal, alert.detector, alert.severity, alert.state)
            for alert in summary.alerts[:ALERTS_SHOWN_MAX]
        ]
        heads = ("fired at event", "signal", "detector", "severity", "state")
        print_table(out, heads, alerts, title=f"{len(summary.alerts)} alerts")


def _share(value: float | None) -> str:
    """A share with three decimals; ``unknown`` for None."""
    return "unknown" if value is None else f"{value:.3f}"
