"""Nouns with verbs: topics, warehouse, alerts, models, users; and check."""

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
from watchloop.cli.shared import Config, Data, at_rest, nothing_runs, said, settings_of_running
from watchloop.cli.usage import Nouns
from watchloop.errors import WatchloopError
from watchloop.terminal.screen import date_of, print_error, print_json, print_line, print_table, printing_console

__all__ = ["add_to"]

HERE = pathlib.Path("data")
CLOCK = "clock"
NO_TIMES: Mapping[str, str] = {}
ANSWER_SECONDS_MAX = 5.0
Json = Annotated[bool, typer.Option("--json", help="Print JSON; times are epoch milliseconds.")]
OfModel = Annotated[str, typer.Option("--model", help="Those of this model; of every model by default.")]
Password = Annotated[
    str | None, typer.Option(help="At least 12 characters; made and printed if not given; - reads it from stdin.")
]
ROLES: tuple[Role, ...] = get_args(Role)


def noun(text: str) -> typer.Typer:
    """A group of commands about one thing, whose help is plain text."""
    return typer.Typer(help=text, cls=Nouns, no_args_is_help=True, rich_markup_mode=None)


topics = noun("The Kafka topics of watchloop.")
warehouse = noun("The ClickHouse tables and views of watchloop.")
alerts = noun("Alerts.")
models = noun("Models and what is in charge.")
users = noun("Who may sign in.")


def add_to(app: typer.Typer) -> None:
    """Add the nouns with their verbs, and ``check``, to the program's commands."""
    for name, commands in (
        ("topics", topics), ("warehouse", warehouse), ("alerts", alerts), ("models", models), ("users", users),
    ):  # fmt: skip
        app.add_typer(commands, name=name)
    app.command(epilog="Example: watchloop check --json")(check)


@topics.command("create", epilog="Example: watchloop topics create")
@said
def create_topics_(data: Data = HERE, config: Config = None) -> None:
    """Create the topics that are missing."""
    from streams.admin.topics import create_topics

    for line in create_topics(kafka_of(config, data)):
        print_line(line)
    print_line("every topic is there")


@topics.command("list", epilog="Example: watchloop topics list --json")
@said
def list_topics(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Every topic of the program that the cluster has, and how it is set."""
    from streams.admin.topics import describe

    found = describe(kafka_of(config, data))
    print_rows([msgspec.to_builtins(state) for state in found.values()], as_json=as_json)


@warehouse.command("install", epilog="Example: watchloop warehouse install --config watchloop.toml")
@said
def install(data: Data = HERE, config: Config = None) -> None:
    """Create the database, its tables and views where they lack."""
    from warehouse.client import Warehouse

    Warehouse(settings_of_running(config, data, "clickhouse").clickhouse).install()
    print_line("tables and views are there")


@alerts.command("list", epilog="Example: watchloop alerts list --model churn")
@said
def list_alerts(model: OfModel = "", as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Alerts in their present state, newest first.

    raised_at and told_at are the clock's, when an alert began to fire and when its state was told; fired_at is when it
    fired in the stream, by the times of its events, and 0 for the error rate, which has no place there.
    """
    from warehouse.query.run_summary import recent_alerts

    with analyst(config, data) as found:
        rows = [msgspec.to_builtins(alert) for alert in recent_alerts(found.query, model)]
    print_rows(rows, as_json=as_json, times={"raised_at": CLOCK, "told_at": CLOCK, "fired_at": "stream"})


@models.command("list", epilog="Example: watchloop models list --json")
@said
def list_models(model: OfModel = "", as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Every version that was put in charge, in order."""
    from warehouse.query.run_summary import versions

    with analyst(config, data) as found:
        rows = [msgspec.to_builtins(version) for version in versions(found.query, model)]
    print_rows(rows, as_json=as_json, times={"created_at": CLOCK})


@users.command("list", epilog="Example: watchloop users list")
@said
def list_users(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Accounts, with their roles and whether they may sign in."""
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
@said
def add_user(
    person: str,
    role: Annotated[list[str], typer.Option(help="reviewer, on-call or admin; may be repeated.")],
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    password: Password = None,
    data: Data = HERE,
    config: Config = None,
) -> None:
    """Add an account, or change its password and roles."""
    from watchloop.people import person_of, read_people, write_people

    unknown = [one for one in role if one not in ROLES]
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
@said
def change_password(person: str, password: Password = None, data: Data = HERE, config: Config = None) -> None:
    """Change somebody's password, which ends their sessions; name and roles stay."""
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
@said
def sign_out_user(person: str, data: Data = HERE, config: Config = None) -> None:
    """End every session of somebody, who may then sign in again."""
    from watchloop.people import sign_out

    kafka = kafka_of(config, data)
    sign_out(kafka, known_person(kafka, person).person_id)
    print_line(f"{person} is signed out everywhere")


@users.command("disable", epilog="Example: watchloop users disable ada")
@said
def disable_user(person: str, data: Data = HERE, config: Config = None) -> None:
    """Keep somebody out from now on: their sessions end, their account and answers stay."""
    from watchloop.people import kept_out, sign_out, write_people

    kafka = kafka_of(config, data)
    write_people(kafka, [kept_out(known_person(kafka, person))])
    sign_out(kafka, person)
    print_line(f"{person} may not sign in any more")


@said
def check(as_json: Json = False, data: Data = HERE, config: Config = None) -> None:
    """Is everything reachable, configured, keeping up? Exit code 1 if not."""
    from watchloop.cli.check import run_checks

    found = run_checks(settings_of_running(config, data), data, at_rest(config, data))
    print_rows([msgspec.to_builtins(one) for one in found], as_json=as_json)
    if not all(one.ok for one in found):
        if hint := nothing_runs():
            print_error(f"watchloop: {hint}")
        raise typer.Exit(1)


def known_person(kafka: KafkaSettings, person: str) -> Person:
    """The account of this id. Raises WatchloopError where there is none."""
    from watchloop.people import read_people

    known = read_people(kafka).get(person)
    if known is None:
        raise WatchloopError(f"there is no account {person!r}; watchloop users list shows them")
    return known


def chosen_password(password: str | None) -> str:
    """The password that was given, on standard input for ``-``; one made up where none was."""
    if password == "-":  # noqa: S105
        return sys.stdin.readline().rstrip("\n")
    return password or secrets.token_urlsafe(12)


def kafka_of(config: pathlib.Path | None, data: pathlib.Path) -> KafkaSettings:
    """The Kafka of the running program or of the settings, for who administers it.

    Raises NothingRuns, and KafkaUnreachable soon where none answers.
    """
    from streams.admin.topics import check_reachable

    kafka = settings_of_running(config, data, "kafka").kafka.as_user("admin")
    check_reachable(kafka, ANSWER_SECONDS_MAX)
    return kafka


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, times: Mapping[str, str] = NO_TIMES) -> None:
    """Rows as a table, or as JSON; ``times`` are epoch milliseconds, which a table shows as dates.

    Each with whose time it is, the clock's or the stream's, which the head of its column says.
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
