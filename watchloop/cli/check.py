"""``watchloop check``: whether everything is reachable, configured and keeping up."""

from __future__ import annotations

import pathlib
import urllib.error
import urllib.request
from collections.abc import Set

import msgspec

from agents.settings import Settings
from agents.shared.groups import GROUPS, lag_state, lag_text
from agents.shared.remembered_span import capacity_text, shortest_span, span_warning
from embedded.ports import http_url
from schemas.topics import ALL_TOPICS
from streams.admin.commit_notes import commit_notes
from streams.admin.lag import lags_of_groups
from streams.admin.topics import check_reachable, describe
from streams.errors import StreamsError
from streams.predictions.registry import check_registry
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from watchloop.processes.folder import DataFolder, Endpoints

__all__ = ["Finding", "run_checks"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check: of what, whether it is in order, and why."""

    what: str
    ok: bool
    says: str


def run_checks(settings: Settings, data: pathlib.Path, stopped: Set[str] = frozenset()) -> list[Finding]:
    """All findings, in the order in which data flows.

    ``stopped`` has the embedded servers (kafka, clickhouse) that are stopped because the program is not running.
    """
    settings = msgspec.structs.replace(settings, kafka=settings.kafka.as_user("admin"))
    endpoints = DataFolder(data).endpoints()
    findings = [_stopped("kafka", data) if "kafka" in stopped else _kafka(settings, endpoints)]
    if findings[0].ok:
        findings += [_topics(settings), *_lags(settings), _remembered(settings)]
    if settings.kafka.registry_url:
        findings.append(_registry(settings))
    findings.append(_stopped("clickhouse", data) if "clickhouse" in stopped else _clickhouse(settings))
    if stopped:
        findings.append(_stopped("console", data))
    else:
        console = settings.console
        findings.append(_console(endpoints.console if endpoints else http_url(console.host, console.port)))
    return findings


def _stopped(what: str, data: pathlib.Path) -> Finding:
    return Finding(what, ok=False, says=f"is stopped: it runs with watchloop up --data {data}")


def _kafka(settings: Settings, endpoints: Endpoints | None) -> Finding:
    try:
        brokers = check_reachable(settings.kafka, 5.0)
    except StreamsError as error:
        return Finding("kafka", ok=False, says=str(error))
    users = settings.kafka.bootstrap
    if endpoints is None or endpoints.kafka == users:
        return Finding("kafka", ok=True, says=f"{brokers} broker(s) at {users}")
    return Finding("kafka", ok=True, says=f"{brokers} broker(s) at {endpoints.kafka}; users sign in at {users}")


def _topics(settings: Settings) -> Finding:
    try:
        there = describe(settings.kafka)
    except StreamsError as error:
        return Finding("topics", ok=False, says=str(error))
    missing = [topic.name for topic in ALL_TOPICS if topic.name not in there]
    if missing:
        return Finding("topics", ok=False, says=f"missing: {', '.join(missing)}; run watchloop topics create")
    return Finding("topics", ok=True, says=f"all {len(there)} are there")


def _lags(settings: Settings) -> list[Finding]:
    try:
        lags = lags_of_groups(settings.kafka, GROUPS)
    except StreamsError as error:
        return [Finding("lag", ok=False, says=str(error))]
    seconds_max, messages_max = settings.worker.lag_seconds_warning, settings.worker.lag_messages_warning
    states = {role: lag_state(lag, seconds_max, messages_max) for role, lag in lags.items()}
    return [
        Finding(f"lag of {role}", ok=not state.is_late, says=f"{lag_text(lags[role])}: {state.note}")
        for role, state in states.items()
    ]


def _remembered(settings: Settings) -> Finding:
    what, worker = "memory of intake", settings.worker
    try:
        held_seconds = shortest_span(commit_notes(settings.kafka, "intake", GROUPS["intake"]))
    except StreamsError as error:
        return Finding(what, ok=False, says=str(error))
    if held_seconds is None or not worker.dedupe_span_seconds:
        return Finding(what, ok=True, says=capacity_text(worker))
    return Finding(what, ok=False, says=f"{capacity_text(worker)}; {span_warning(held_seconds, worker)}")


def _registry(settings: Settings) -> Finding:
    try:
        check_registry(settings.kafka)
    except StreamsError as error:
        return Finding("registry", ok=False, says=str(error))
    return Finding("registry", ok=True, says=settings.kafka.registry_url)


def _clickhouse(settings: Settings) -> Finding:
    warehouse = Warehouse(settings.clickhouse)
    try:
        tables = warehouse.query("SELECT count() AS n FROM system.tables WHERE database = currentDatabase()")
        lacking = warehouse.lacking()
    except WarehouseError as error:
        return Finding("clickhouse", ok=False, says=str(error))
    if lacking:
        return Finding("clickhouse", ok=False, says=f"missing: {', '.join(lacking)}; run watchloop warehouse install")
    return Finding("clickhouse", ok=True, says=f"{tables[0]['n']} tables and views at {settings.clickhouse.url}")


def _console(url: str) -> Finding:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5.0):  # noqa: S310  # our own address
            return Finding("console", ok=True, says=url)
    except (urllib.error.URLError, OSError) as error:
        return Finding(
            "console", ok=False, says=f"{url} does not answer ({error}); is a worker with role desk running?"
        )
