"""``watchloop up``: the servers, all roles and the console, in the foreground until Ctrl-C."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pathlib
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

from rich.console import Console

from agents.shared.metric_files import FOLDER_VARIABLE, empty_metrics
from console.front_end import check_front_end
from console.sessions.passwords import verify
from embedded.ports import hold_port, http_url
from streams.admin.topics import create_topics
from streams.settings import KafkaSettings
from watchloop.errors import ConsoleRefused, PortTaken, WrongSetting
from watchloop.people import person_of, read_people, write_people
from watchloop.processes.disk import DiskWatch, naming_full_disk
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints
from watchloop.processes.parent import HELD_VARIABLE
from watchloop.processes.servers import Started, servers
from watchloop.processes.stopping import Stopped, Stopping, stoppable
from watchloop.processes.supervisor import Supervisor
from watchloop.processes.workers import Workers, WorkerSpec
from watchloop.settings import ProgramSettings, inline_value
from watchloop.terminal.screen import say

__all__ = ["ADMIN", "Running", "UpOptions", "first_password", "print_addresses", "run_up", "up"]

ADMIN = "admin"
CONSOLE_STEP_SECONDS = 0.1
WORKERS = (
    WorkerSpec("intake", ("intake",)),
    WorkerSpec("loop", ("desk", "drift", "learn", "record")),
)
"""INTAKE has a process of its own, because it reads the whole stream."""


@dataclasses.dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of the command line; ``own_…`` says that a server of the user's own is used."""

    data: pathlib.Path
    port: int | None = None
    own_kafka: bool = False
    own_clickhouse: bool = False
    config: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A running loop: its settings with the real addresses, and the password of admin."""

    settings: ProgramSettings
    folder: DataFolder
    endpoints: Endpoints
    supervisor: Supervisor
    admin_password: str
    """Password of the first account; empty where it has been changed since it was made."""

    def wait_for_console(self, stop: threading.Event) -> bool:
        """Wait for the console, then write the addresses to the data folder; False if ``stop`` was set first.

        Raises ConsoleRefused where the console does not answer in time.
        """
        if not _waited_for(self.endpoints.console, stop, self.settings.console.start_seconds_max, self.folder.log):
            return False
        self.folder.write_endpoints(self.endpoints)
        return True


@contextlib.contextmanager
def up(settings: ProgramSettings, options: UpOptions, out: Console, stop: threading.Event) -> Iterator[Running]:
    """A loop whose servers answer and whose workers have started; its console may not answer yet.

    At the end everything is stopped in order. If ``stop`` is set during the start, everything that has started is
    stopped in order too, and Stopped is raised. Raises FrontEndMissing, before anything starts, where the
    console's front-end libraries are absent.
    """
    check_front_end()
    folder = DataFolder(options.data)
    port = settings.console.port if options.port is None else options.port
    progress: Callable[[str], None] = lambda line: say(out, line, "dim")  # noqa: E731
    stopping = Stopping(stop, progress)
    with (
        held_port(settings.console.host, port) as held,
        naming_full_disk(folder.path),
        folder.own(),
        servers(
            settings,
            folder,
            own_kafka=options.own_kafka,
            own_clickhouse=options.own_clickhouse,
            say=progress,
            stopping=stopping,
        ) as started,
    ):
        port = int(held.getsockname()[1])
        for note in folder.notes():
            say(out, note, "yellow")
        running_settings = started.settings
        stopping.wait_for(lambda: create_topics(running_settings.kafka.as_user("admin")))
        environment = _environment(running_settings, folder, port, options)
        workers = Workers(
            WORKERS,
            lambda spec: environment | _users(running_settings.kafka, spec),
            folder.log,
            running_settings.worker.stop_seconds_max,
        )
        disk = DiskWatch(folder.path, 0 if options.own_clickhouse else settings.embedded_clickhouse.disk_free_bytes_min)
        supervisor = Supervisor(lambda line: say(out, line, "yellow"), news=disk.news)
        supervisor.watch(started.watched)
        try:
            supervisor.watch(workers.start())
            admin_password = stopping.wait_for(lambda: first_password(running_settings, folder))
            yield Running(running_settings, folder, _endpoints(started, port), supervisor, admin_password)
        finally:
            folder.withdraw_endpoints()
            stopping.tell()
            workers.stop()


def run_up(settings: ProgramSettings, options: UpOptions, out: Console) -> None:
    """The command ``up``: run until Ctrl-C, SIGTERM or the end of the terminal."""
    with contextlib.suppress(Stopped), stoppable() as stop, up(settings, options, out, stop) as running:

        def wait() -> None:
            if running.wait_for_console(stop):
                print_addresses(running, out)
                stop.wait()

        running.supervisor.during(wait, stop)


def print_addresses(running: Running, out: Console) -> None:
    """Print the addresses, and how to sign in."""
    endpoints, analyst = running.endpoints, running.endpoints.clickhouse.users["analyst"]
    how = f"/ {running.admin_password}" if running.admin_password else "with the password that was set since"
    say(out, f"console     {endpoints.console}  sign in as {ADMIN} {how}")
    say(out, f"kafka       {endpoints.kafka}")
    say(out, f"clickhouse  {endpoints.clickhouse.url}  user analyst / {analyst}")
    say(out, f"also in {running.folder.endpoints_file}; Ctrl-C stops everything", "dim")


def held_port(host: str, port: int) -> socket.socket:
    """Hold the console's port, a free one for 0, on which a worker will listen.

    Raises PortTaken, or WrongSetting where the host is not an address of this machine.
    """
    try:
        return hold_port(host, port)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTaken(
                f"{host}:{port}: cannot listen there ({error.strerror}); choose another with --port, 0 for any"
            ) from error
        raise WrongSetting(
            f"console.host = {inline_value(host)} (watchloop.toml, WATCHLOOP_CONSOLE_HOST): cannot listen there "
            f"({error.strerror}); expected an address of this machine, such as 127.0.0.1 or ::1, or a name of one"
        ) from error


def _environment(settings: ProgramSettings, folder: DataFolder, port: int, options: UpOptions) -> dict[str, str]:
    """The variables of the workers, with what the configuration file does not say."""
    clickhouse = settings.clickhouse
    metrics = folder.path / "metrics"
    empty_metrics(metrics)
    variables = {
        "WATCHLOOP_KAFKA_BOOTSTRAP": settings.kafka.bootstrap,
        "WATCHLOOP_KAFKA_REPLICATION_FACTOR": str(settings.kafka.replication_factor),
        "WATCHLOOP_CLICKHOUSE_URL": clickhouse.url,
        "WATCHLOOP_CLICKHOUSE_USER": clickhouse.user,
        "WATCHLOOP_CLICKHOUSE_PASSWORD": clickhouse.password,
        "WATCHLOOP_CONSOLE_PORT": str(port),
        "WATCHLOOP_CONSOLE_SECRET": settings.console.secret or folder.secrets().console_secret,
        "WATCHLOOP_WORKER_DATA": str(folder.path),
        FOLDER_VARIABLE: str(metrics),
        # Arrays are small: a pool of threads would wait for each other longer than it computes.
        **{name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")},
    }
    if not options.own_clickhouse:
        variables[HELD_VARIABLE] = clickhouse.url.removeprefix("http://")
    if options.config is not None:
        variables["WATCHLOOP_CONFIG"] = str(options.config.absolute())
    return variables


def first_password(settings: ProgramSettings, folder: DataFolder) -> str:
    """The password of the first account, made if there is none; empty if it was changed or disabled since."""
    people, kafka = folder.secrets().people, settings.kafka.as_user("admin")
    known = read_people(kafka).get(ADMIN)
    if ADMIN in people and known is not None:
        return people[ADMIN] if not known.disabled and verify(known.password_hash, people[ADMIN]) else ""
    password = people.get(ADMIN) or secrets.token_urlsafe(12)
    write_people(kafka, [person_of(ADMIN, password, ("reviewer", "on-call", "admin"), name="Administrator")])
    folder.keep_people({**people, ADMIN: password})
    return password


def _users(kafka: KafkaSettings, spec: WorkerSpec) -> dict[str, str]:
    """Variables with which the roles of one worker sign in to Kafka; it does not get those of other workers."""
    return {
        f"WATCHLOOP_KAFKA_USERS__{role.upper()}": inline_value(client)
        for role, client in kafka.users.items()
        if role in spec.roles
    }


def _endpoints(started: Started, port: int) -> Endpoints:
    settings = started.settings
    clickhouse = settings.clickhouse
    users = {clickhouse.user: clickhouse.password, clickhouse.analyst_user: clickhouse.analyst_password}
    return Endpoints(
        kafka=started.producers,
        kafka_users_bootstrap=settings.kafka.bootstrap if started.kafka_passwords else "",
        kafka_users=started.kafka_passwords,
        clickhouse=ClickHouseEndpoint(clickhouse.url, users),
        console=http_url(settings.console.host, port),
    )


def _waited_for(url: str, stop: threading.Event, seconds_max: float, log: pathlib.Path) -> bool:
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2.0):  # noqa: S310  # our own address
                return True
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise ConsoleRefused(
                    f"{url}: the console does not answer within console.start_seconds_max = {seconds_max:g} s;"
                    f" see {log}"
                ) from error
        if stop.wait(CONSOLE_STEP_SECONDS):
            return False
