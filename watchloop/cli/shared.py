"""Shared by all commands: common options, settings with the addresses of running servers, errors as one line."""

from __future__ import annotations

import contextvars
import functools
import pathlib
from collections.abc import Callable
from typing import Annotated, Final, Literal, ParamSpec, TypeVar

import msgspec
import typer

from agents.shared.errors import WorkerError
from console.front_end import FrontEndMissing
from embedded.errors import EmbeddedError
from learning.snapshots.signing import KeyFileError
from streams.admin.access import signed_in
from streams.errors import KafkaUnreachable, StreamsError
from streams.settings import checked
from warehouse.errors import ClickHouseUnreachable, WarehouseError
from watchloop.errors import NothingRuns, WatchloopError, WrongSetting
from watchloop.processes.folder import DataFolder
from watchloop.settings import ProgramSettings, is_set, load_settings
from watchloop.terminal.screen import print_error

__all__ = [
    "Config",
    "Data",
    "Server",
    "nothing_runs_hint",
    "one_line_errors",
    "settings_of",
    "settings_of_running",
    "stopped_servers",
    "with_addresses",
]

P = ParamSpec("P")
R = TypeVar("R")

EXIT_WRONG = 2
Server = Literal["kafka", "clickhouse"]
ADDRESSES: Final[dict[Server, str]] = {"kafka": "kafka.bootstrap", "clickhouse": "clickhouse.url"}
"""The embedded servers, by the names of their folders, with the setting that replaces each by another server."""

Config = Annotated[pathlib.Path | None, typer.Option("--config", help="A watchloop.toml; the one here by default.")]
Data = Annotated[pathlib.Path, typer.Option("--data", help="Folder of the embedded servers and keys.")]


_looked_in: contextvars.ContextVar[pathlib.Path | None] = contextvars.ContextVar("looked_in", default=None)
"""The data folder in which this command found no running program; None where it has not looked."""


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Make the expected errors of a command one line on stderr and exit code 2."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _looked_in.set(None)
        try:
            return command(*args, **kwargs)
        except (KafkaUnreachable, ClickHouseUnreachable) as error:
            hint = nothing_runs_hint()
            print_error(f"watchloop: {error}; and {hint}" if hint else f"watchloop: {error}")
            raise typer.Exit(EXIT_WRONG) from error
        except (
            WatchloopError,
            EmbeddedError,
            StreamsError,
            WarehouseError,
            KeyFileError,
            WorkerError,
            FrontEndMissing,
        ) as error:
            print_error(f"watchloop: {error}")
            raise typer.Exit(EXIT_WRONG) from error

    return run


def nothing_runs_hint() -> str:
    """A hint that no program runs on the data folder, and what to do; empty where the command did not look for one."""
    folder = _looked_in.get()
    if folder is None:
        return ""
    if not folder.is_dir():
        why = "there is no such folder"
    elif DataFolder(folder).is_owned():
        why = "one is about to start or to stop there"
    else:
        why = "no endpoints.json there"
    return (
        f"no watchloop runs on {str(folder)!r} ({why}): start watchloop up --data {folder}, name the folder of"
        " the one that runs with --data, or set the addresses of your own servers"
    )


def settings_of(config: pathlib.Path | None) -> ProgramSettings:
    """The settings of a file and the environment."""
    return load_settings(config)


def with_addresses(
    settings: ProgramSettings, *, kafka: str | None = None, clickhouse: str | None = None
) -> ProgramSettings:
    """The settings with the addresses of the command line. Raises WrongSetting."""
    if kafka is not None:
        settings = _with(settings, "kafka", "--kafka", bootstrap=kafka)
    if clickhouse is not None:
        settings = _with(settings, "clickhouse", "--clickhouse", url=clickhouse)
    return settings


def _with(settings: ProgramSettings, section: str, option: str, **changes: str) -> ProgramSettings:
    try:
        changed = checked(msgspec.structs.replace(getattr(settings, section), **changes))
    except ValueError as error:
        raise WrongSetting(f"{option}: {error}") from error
    return msgspec.structs.replace(settings, **{section: changed})


def stopped_servers(config: pathlib.Path | None, data: pathlib.Path) -> frozenset[Server]:
    """The stopped embedded servers of a data folder, except those that the settings replace by other servers.

    A stopped server has no address; the default addresses of the settings do not lead to it.
    """
    if DataFolder(data).endpoints() is not None:
        return frozenset()
    return frozenset(
        server for server, address in ADDRESSES.items() if (data / server).is_dir() and not is_set(address, config)
    )


def settings_of_running(config: pathlib.Path | None, data: pathlib.Path, *needed: Server) -> ProgramSettings:
    """The settings, with the addresses and passwords of the program that runs on a data folder, if one does.

    Raises NothingRuns where one of the ``needed`` servers is an embedded one that is stopped.
    """
    settings = load_settings(config)
    endpoints = DataFolder(data).endpoints()
    if endpoints is None:
        _looked_in.set(data)
        if stopped_servers(config, data).intersection(needed):
            raise NothingRuns(nothing_runs_hint())
        return settings
    users = endpoints.clickhouse.users
    clickhouse = msgspec.structs.replace(
        settings.clickhouse,
        url=endpoints.clickhouse.url,
        password=users.get(settings.clickhouse.user, settings.clickhouse.password),
        analyst_password=users.get(settings.clickhouse.analyst_user, settings.clickhouse.analyst_password),
    )
    if endpoints.kafka_users_bootstrap:
        kafka = signed_in(settings.kafka, endpoints.kafka_users_bootstrap, endpoints.kafka_users)
    else:
        kafka = msgspec.structs.replace(settings.kafka, bootstrap=endpoints.kafka)
    return msgspec.structs.replace(settings, kafka=kafka, clickhouse=clickhouse)
