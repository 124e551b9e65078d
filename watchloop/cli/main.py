"""The command line: nouns and verbs. An error that the user can correct is one line on stderr and exit code 2."""

from __future__ import annotations

import logging
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, TextIO, cast

import stamina
import structlog
import typer

from watchloop.cli import backtest as cli_backtest
from watchloop.cli import nouns as cli_nouns
from watchloop.cli import query as cli_query
from watchloop.cli import replay as cli_replay
from watchloop.cli.shared import Config, Data, one_line_errors, settings_of, with_addresses
from watchloop.cli.usage import OneLineGroup
from watchloop.processes.folder import DataFolder
from watchloop.processes.private_files import private_umask
from watchloop.terminal.lasting import Lasting
from watchloop.terminal.screen import printing_console

__all__ = ["app", "main"]

app = typer.Typer(
    name="watchloop",
    cls=OneLineGroup,
    help="A human-in-the-loop streaming monitor for models in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its panels break words, and read texts in brackets as markup
    context_settings={"help_option_names": ["-h", "--help"]},
)

SLOT = "[A-Za-z0-9._-]{1,100}"
"""A slot is part of a transactional id, and of the keys of triage's saved state."""

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of the embedded one.")
]
ClickHouse = Annotated[str | None, typer.Option("--clickhouse", metavar="URL", help="Use this ClickHouse instead.")]


@app.command(epilog="Example: watchloop up --demo elec2 --exit")
@one_line_errors
def up(
    demo: Annotated[str | None, typer.Option(help="Replay a recorded stream that comes with watchloop: elec2.")] = None,
    data: Data = pathlib.Path("data"),
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the console; 0 for a free one.")] = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    reviewers: Annotated[int, typer.Option(min=0, max=50, help="Number of simulated reviewers of the demo.")] = 3,
    seconds: Annotated[float, typer.Option(min=0, help="How long the demo's replay takes; 0 for no pause.")] = 100.0,
    events: Annotated[int, typer.Option(min=0, help="Number of events to replay; 0 for all.")] = 0,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the demo's summary.")] = False,
    config: Config = None,
) -> None:
    """Run everything on this machine: embedded Kafka and ClickHouse, all roles, and the console."""
    from watchloop.processes.up import UpOptions, run_up

    settings = with_addresses(settings_of(config), kafka=kafka, clickhouse=clickhouse)
    options = UpOptions(
        data=data, port=port, own_kafka=kafka is not None, own_clickhouse=clickhouse is not None, config=config
    )
    out = printing_console(lasting=True)
    if demo is None:
        run_up(settings, options, out)
        return
    from watchloop.demo.demo import DEMOS, DemoOptions, run_demo

    if demo not in DEMOS:
        raise typer.BadParameter(f"there is no demo {demo!r}; there is {', '.join(DEMOS)}", param_hint="--demo")
    run_demo(
        settings,
        options,
        DemoOptions(name=demo, reviewers=reviewers, seconds=seconds, events=events, exit=exit_),
        out,
    )


@app.command(epilog="Example: watchloop worker --role intake --slot 2")
@one_line_errors
def worker(
    role: Annotated[list[str], typer.Option(help="intake, drift, desk, learn or record; may be repeated.")],
    slot: Annotated[
        str,
        typer.Option(help="Name of this worker, unique among those of its roles.", envvar="WATCHLOOP_SLOT"),
    ] = "0",
    config: Config = None,
) -> None:
    """Run roles with a Kafka and a ClickHouse that are running already."""
    from agents.shared.plan import WORKER_ROLES
    from agents.worker.worker import run_worker
    from watchloop.processes.parent import console_socket, end_with_parent, hold_clickhouse_port

    end_with_parent()

    unknown = [name for name in role if name not in WORKER_ROLES]
    if unknown:
        raise typer.BadParameter(
            f"there is no role {unknown[0]!r}; there are {', '.join(WORKER_ROLES)}", param_hint="--role"
        )
    if not re.fullmatch(SLOT, slot):
        raise typer.BadParameter(
            f"{slot!r} is no slot; expected 1 to 100 of A-Z a-z 0-9 . _ -", param_hint="--slot (WATCHLOOP_SLOT)"
        )
    settings = settings_of(config)
    DataFolder(pathlib.Path(settings.worker.data)).check()
    with private_umask(), hold_clickhouse_port():
        code = run_worker(settings, role, slot=slot, console_socket=console_socket())  # type: ignore[arg-type]  # checked above
        raise typer.Exit(code)


cli_backtest.add_to(app)
cli_query.add_to(app)
cli_nouns.add_to(app)
cli_replay.add_to(app)


def main() -> None:
    """The entry point of ``watchloop``: runs a command and exits, with exit code 130 after Ctrl-C."""
    logging.raiseExceptions = False
    logging.lastResort = None  # warnings of libraries are dropped until a worker sets its logs up
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Lasting(sys.stderr)))
    )  # stdout is for results
    stamina.instrumentation.set_on_retry_hooks([])
    run: Callable[[], Any] = app
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(130)
