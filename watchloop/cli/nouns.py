"""The commands that are a noun with a verb (topics, warehouse, alerts, models, users), and check."""

from __future__ import annotations

import json
import pathlib
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast, get_args

import msgspec
import typer

from schemas.texts.person_names import person_problem
from schemas.wire.person import Person, Role
from streams.settings import KafkaSettings
from watchloop.cli.query import analyst
from watchloop.cli.shared import Config, Data, nothing_runs_hint, one_line_errors, settings_of_running, stopped_servers
from watchloop.cli.usage import Nouns
from watchloop.errors import WatchloopError
from watchloop.terminal.screen import date_of, print_error, print_json, print_line, print_table, printing_console

__all__ = ["add_to"]

HERE = pathlib.Path("data")
CLOCK = "clock"
NO_TIMES: Mapping[str, str] = {}
ANSWER_SECONDS_MAX = 5.0
Json = Annotated[bool, typer.Option("--json", help="Print JSON; times are epoch milliseconds.")]
OfModel = Annotated[str, typer.Option("--model", help="Only those of this model.  [all models]")]
PersonId = Annotated[str, typer.Argument(help="Id of the account.")]
Password = Annotated[
    str | None, typer.Option(help="At least 12 characters; - reads it from standard input.  [one is made and printed]")
]
ROLES: tuple[Role, ...] = get_args(Role)


def noun(text: str) -> typer.Typer:
    """A group of commands about one noun, with ``text`` as its help."""
    return typer.Typer(help=text, cls=Nouns, no_args_is_help=True, rich_markup_mode=None)


topics = noun("The Kafka topics of watchloop.")
warehouse = noun("The ClickHouse tables and views of watchloop.")
alerts = noun("Alerts of the watched models.")
models = noun("Versions of the watched models.")
users = noun("Accounts of the console.")


def add_to(app: typer.Typer) -> None:
    """Add the nouns with their verbs, and ``check``, to the program's commands."""
    for name, commands in (
        ("topics", topics), ("warehouse", warehouse), ("alerts", alerts), ("models", models), ("users", users),
    ):  # fmt: skip
        app.add_typer(commands, name=name)
    app.command(epilog="Example: watchloop check --json")(check)


@topics.command("create", epilog="Example: watchloop topics create")
@one_line_errors
def create_topics_(data: Data = HERE, config: Config = None) -> None:
    """Create the topics that are missing."""
    from streams.admin.topics import create_topics

    for line in create_topics(kafka_of(config, data)):
        print_line(line)
    print_line("every topic is there")


@topics.command("list", epilog="Example: watchloop topics list --json")
@one_line_errors
def list_topics(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """List the program's topics in the cluster, with their settings."""
    from streams.admin.topics import describe

    states = describe(kafka_of(config, data))
    print_rows([msgspec.to_builtins(state) for state in states.values()], as_json=as_json)


@warehouse.command("install", epilog="Example: watchloop warehouse install --config watchloop.toml")
@one_line_errors
def install(data: Data = HERE, config: Config = None) -> None:
    """Create the database, its tables and its views, where they are missing."""
    from warehouse.client import Warehouse

    Warehouse(settings_of_running(config, data, "clickhouse").clickhouse).install()
    print_line("tables and views are there")


@alerts.command("list", epilog="Example: watchloop alerts list --model churn")
@one_line_errors
def list_alerts(model: OfModel = "", as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """List alerts in their present state, newest first.

    raised_at and told_at are times of the clock: when an alert began to fire, and when its state was reported. fired_at
    is a time of the stream, taken from the events: when the alert fired there. It is 0 for the error rate, which has no
    time in the stream.
    """
    from warehouse.query.run_summary import recent_alerts

    with analyst(config, data) as clickhouse:
        rows = [msgspec.to_builtins(alert) for alert in recent_alerts(clickhouse.query, model)]
    print_rows(rows, as_json=as_json, times={"raised_at": CLOCK, "told_at": CLOCK, "fired_at": "stream"})


@models.command("list", epilog="Example: watchloop models list --json")
@one_line_errors
def list_models(model: OfModel = "", as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """List every version that was put in charge, oldest first."""
    from warehouse.query.run_summary import versions

    with analyst(config, data) as clickhouse:
        rows = [msgspec.to_builtins(version) for version in versions(clickhouse.query, model)]
    print_rows(rows, as_json=as_json, times={"created_at": CLOCK})


@users.command("list", epilog="Example: watchloop users list")
@one_line_errors
def list_users(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """List accounts, with their roles and whether they may sign in."""
    from watchloop.people import read_people

    people = read_people(kafka_of(config, data))
    print_rows(
        [
            {
                "person": p.person_id,
                "name": p.name,
                "roles": list(p.roles),
                "disabled": p.disabled,
                "simulated": p.simulated,
            }
            for p in people.values()
        ],
        as_json=as_json,
    )


@users.command("add", epilog="Example: watchloop users add ada --role reviewer --role on-call")
@one_line_errors
def add_user(
    person: PersonId,
    role: Annotated[list[str], typer.Option(help="reviewer, on-call or admin; may be repeated.")],
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    password: Password = None,
    data: Data = HERE,
    config: Config = None,
) -> None:
    """Add an account, or change its password and roles."""
    from watchloop.people import person_of, read_people, write_people

    unknown = sorted(set(role) - set(ROLES), key=role.index)
    if unknown:
        raise WatchloopError(f"there is no role {unknown[0]!r}; there are {', '.join(ROLES)}")
    problem = person_problem(person, name)
    if problem is not None:
        raise WatchloopError(problem)
    kafka = kafka_of(config, data)
    known = read_people(kafka).get(person)
    chosen = chosen_password(password)
    try:
        account = person_of(
            person, chosen, cast("Sequence[Role]", role), name=name, version=known.version + 1 if known else 0
        )
    except ValueError as error:
        raise WatchloopError(str(error)) from error
    write_people(kafka, [account])
    print_line(f"{person} may sign in" + ("" if password else f" with {chosen}"))


@users.command("passwd", epilog="Example: watchloop users passwd ada")
@one_line_errors
def change_password(person: PersonId, password: Password = None, data: Data = HERE, config: Config = None) -> None:
    """Change the password of an account, which ends its sessions; name and roles stay."""
    from watchloop.people import with_password, write_people

    kafka = kafka_of(config, data)
    known, chosen = known_person(kafka, person), chosen_password(password)
    try:
        changed = with_password(known, chosen)
    except ValueError as error:
        raise WatchloopError(str(error)) from error
    write_people(kafka, [changed])
    still = f"; {person} may still not sign in (watchloop users add lets them in)" if known.disabled else ""
    print_line(f"the password of {person} is changed" + ("" if password else f" to {chosen}") + still)


@users.command("sign-out", epilog="Example: watchloop users sign-out ada")
@one_line_errors
def sign_out_user(person: PersonId, data: Data = HERE, config: Config = None) -> None:
    """End every session of an account; the person may sign in again."""
    from watchloop.people import sign_out

    kafka = kafka_of(config, data)
    sign_out(kafka, known_person(kafka, person).person_id)
    print_line(f"{person} is signed out everywhere")


@users.command("disable", epilog="Example: watchloop users disable ada")
@one_line_errors
def disable_user(person: PersonId, data: Data = HERE, config: Config = None) -> None:
    """Disable an account: its sessions end and it may not sign in; the account and its answers stay."""
    from watchloop.people import disabled, sign_out, write_people

    kafka = kafka_of(config, data)
    write_people(kafka, [disabled(known_person(kafka, person))])
    sign_out(kafka, person)
    print_line(f"{person} may not sign in any more")


@one_line_errors
def check(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Check whether everything is reachable, configured and keeping up; exit code 1 if not."""
    from watchloop.cli.check import run_checks

    findings = run_checks(settings_of_running(config, data), data, stopped_servers(config, data))
    print_rows([msgspec.to_builtins(finding) for finding in findings], as_json=as_json)
    if not all(finding.ok for finding in findings):
        if hint := nothing_runs_hint():
            print_error(f"watchloop: {hint}")
        raise typer.Exit(1)


def known_person(kafka: KafkaSettings, person: str) -> Person:
    """The account with this id. Raises WatchloopError where there is none."""
    from watchloop.people import read_people

    known = read_people(kafka).get(person)
    if known is None:
        raise WatchloopError(f"there is no account {person!r}; watchloop users list shows them")
    return known


def chosen_password(password: str | None) -> str:
    """The password of the option, or of standard input for ``-``; a random one where none was given."""
    if password == "-":  # noqa: S105
        return sys.stdin.readline().rstrip("\n")
    return password or secrets.token_urlsafe(12)


def kafka_of(config: pathlib.Path | None, data: pathlib.Path) -> KafkaSettings:
    """The Kafka of the running program or of the settings, with the user who administers it.

    Raises NothingRuns, and KafkaUnreachable within ``ANSWER_SECONDS_MAX`` where it does not answer.
    """
    from streams.admin.topics import check_reachable

    kafka = settings_of_running(config, data, "kafka").kafka.as_user("admin")
    check_reachable(kafka, ANSWER_SECONDS_MAX)
    return kafka


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, times: Mapping[str, str] = NO_TIMES) -> None:
    """Print rows as a table or as JSON.

    ``times`` names the columns of epoch milliseconds, which a table shows as dates, each with the source of its time
    (``clock`` or ``stream``), which the head of the column shows.
    """
    if as_json:
        print_json(json.dumps(list(rows), indent=2, default=str))
    elif not rows:
        print_line("none")
    else:
        heads = [f"{name} ({times[name]})" if name in times else name for name in rows[0]]
        print_table(printing_console(), heads, [[_cell(*item, times) for item in row.items()] for row in rows])


def _cell(name: str, value: object, times: Mapping[str, str]) -> str:
    if name in times and isinstance(value, int):
        return date_of(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
