"""One worker process: a faust worker with the loops, agents and timers of its roles."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
from collections.abc import Collection, Sequence
from typing import Any

import faust
import stamina
import structlog

from agents.settings import Settings, WorkerSettings
from agents.shared.errors import MetricsRefused
from agents.shared.memory import settle_memory
from agents.shared.metrics import bound_models
from agents.shared.model_places import ModelPlaces
from agents.shared.plan import WORKER_ROLES, Listen, Plan, WorkerRole
from agents.worker.logs import set_up_logs
from schemas.texts.visible import visible
from streams.admin.access import topics_of
from streams.admin.topic_watch import TopicWatch
from streams.admin.topics import check_reachable, create_topics, topic_ids
from streams.app import create_app
from streams.errors import KafkaUnreachable
from streams.settings import KafkaSettings
from warehouse.client import Warehouse
from warehouse.errors import ClickHouseUnreachable

__all__ = ["run_worker"]

log = structlog.get_logger(__name__)

START_SECONDS_MAX = 60.0


class Worker(faust.Worker):
    """A faust worker that logs through our handler and draws no spinner."""

    def __init__(self, *args: Any, log_handler: logging.Handler, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spinner = None
        self._log_handler = log_handler

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:  # noqa: ARG002  # faust's signature
        """Replace the handler that faust has just set up by ours."""
        logger.handlers[:] = [self._log_handler]
        logger.setLevel(logging.INFO)


def run_worker(
    settings: Settings, roles: Collection[WorkerRole], *, slot: str, console_socket: Listen | None = None
) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code.

    ``console_socket`` makes the console's socket where the program that started this worker holds the console's port.
    Raises StreamsError, WarehouseError or WorkerError while starting.
    """
    chosen = tuple(role for role in WORKER_ROLES if role in roles)
    handler = set_up_logs("+".join(chosen))
    _wait_for_servers(settings, chosen)
    bound_models(ModelPlaces(settings.worker.models_max, settings.models))
    app = create_app(settings.kafka, roles=chosen, data=pathlib.Path(settings.worker.data) / "faust")
    plan = Plan(settings, app, slot, console_socket)
    for role in chosen:
        own = plan.of(role)
        own.add_loop(f"topics of {role}", _topic_watch(own.settings.kafka, role).run)
        add_role(role, own)
    if settings.worker.metrics_port and "desk" not in chosen:
        serve_metrics(settings.worker)
    worker = Worker(app, *plan.loops, log_handler=handler, loglevel="WARN", quiet=True, redirect_stdouts=False)
    settle_memory()
    log.info("worker starts", roles=chosen, slot=slot)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        failed = next((loop.failure for loop in plan.loops if loop.failure is not None), None)
        if failed is not None:
            with contextlib.suppress(OSError):  # stderr may be closed
                sys.stderr.write(f"{visible(str(failed))}\n")
            return 1
        return end.code if isinstance(end.code, int) else 1
    return 0


def add_role(role: WorkerRole, plan: Plan) -> None:
    """Add the parts of a role to the plan. Imports what this role needs, which takes seconds for some, and no other."""
    match role:
        case "intake":
            from agents.intake.role import add
        case "drift":
            from agents.drift.role import add
        case "desk":
            from agents.desk.role import add
        case "learn":
            from agents.learn.role import add
        case "record":
            from agents.record.role import add
    add(plan)


def serve_metrics(worker: WorkerSettings) -> None:
    """Answer /metrics in a thread. Raises MetricsRefused where the address is taken or is not of this machine."""
    from prometheus_client import start_http_server

    try:
        start_http_server(worker.metrics_port, worker.metrics_host)
    except OSError as error:
        raise MetricsRefused(
            f"{worker.metrics_host}:{worker.metrics_port}: cannot listen there ({error.strerror}); "
            "correct worker.metrics_host or worker.metrics_port"
        ) from error


def _wait_for_servers(settings: Settings, roles: Sequence[WorkerRole]) -> None:
    """Wait for Kafka, and for RECORD for ClickHouse, which may still be starting; then create what they lack.

    RECORD installs ClickHouse's tables; each role creates its topics. Raises KafkaUnreachable or ClickHouseUnreachable
    after ``START_SECONDS_MAX``.
    """
    for attempt in stamina.retry_context(
        on=(KafkaUnreachable, ClickHouseUnreachable), attempts=None, timeout=START_SECONDS_MAX, wait_max=0.5
    ):
        with attempt:
            check_reachable(settings.kafka.as_user(roles[0]), 5.0)
            if "record" in roles:
                Warehouse(settings.clickhouse).install()
    for role in roles:
        create_topics(settings.kafka.as_user(role), topics_of(role))


def _topic_watch(kafka: KafkaSettings, role: WorkerRole) -> TopicWatch:
    return TopicWatch(kafka.prefix, lambda: topic_ids(kafka, topics_of(role)))
