"""kill -9 of the program: the learned model in charge, the alerts and the open tasks are what they were."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import random
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from console.desk.protocol import LoopState
from schemas.topics import LABELS, PREDICTIONS
from schemas.wire.alert import Alert
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from tests.support.program import Program, processes_of
from tests.support.waiting import eventually
from watchloop.demo.console_client import ConsoleClient
from watchloop.errors import ConsoleRefused
from watchloop.processes.folder import Endpoints, Secrets

pytestmark = [pytest.mark.servers, pytest.mark.faults]

MODEL = "probe"
NORMAL_EVENTS = 2_400
MOVED_EVENTS = 3_600
LABELLED_EVENTS = 800
SETTLED_SECONDS = 4.0


def events() -> list[Prediction]:
    """Events of a model that is always wrong; the values of one feature move after the reference was made."""
    draw = random.Random(7)
    begin = time.time_ns() // 1_000_000 - 1_000 * (NORMAL_EVENTS + MOVED_EVENTS)
    made = []
    for number in range(NORMAL_EVENTS + MOVED_EVENTS):
        moved = 3.0 if number >= NORMAL_EVENTS else 0.0
        features = {"level": draw.gauss(moved, 1.0), "sign": draw.gauss(0.0, 1.0)}
        made.append(
            Prediction(
                event_id=f"{MODEL}-{number}",
                model=MODEL,
                time=begin + 1_000 * number,
                features=features,
                prediction="below" if features["sign"] > 0 else "above",
                confidence=0.5 + 0.4 * draw.random(),
            )
        )
    return made


def truth_of(event: Prediction) -> str:
    """The true label of an event, which is never the model's prediction."""
    return "above" if event.prediction == "below" else "below"


def send(endpoints: Endpoints, program: Program, made: list[Prediction]) -> None:
    """Predictions at once, then late labels of the first of them, through the topics that producers use."""
    outbox = Outbox(KafkaSettings(bootstrap=endpoints.kafka))
    for event in made:
        outbox.send(PREDICTIONS, event.event_id, event)
    outbox.flush()
    eventually("the first verdicts", lambda: look(endpoints, program.folder).in_charge, program.log)
    now_ms = time.time_ns() // 1_000_000
    for event in made[:LABELLED_EVENTS]:
        label = Label(event_id=event.event_id, model=MODEL, label=truth_of(event), time=now_ms)
        outbox.send(LABELS, event.event_id, label)
    outbox.flush()


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a person sees of the loop."""

    in_charge: str
    corrections: int
    open_tasks: dict[str, int]
    alerts: dict[str, str]
    behind: int = 0


def look(endpoints: Endpoints, folder: pathlib.Path, *, acknowledge: str = "") -> Seen:
    """The state of the loop from the console's API, as administrator; acknowledges an alert first if one is given."""
    password = msgspec.json.decode((folder / "secrets.json").read_bytes(), type=Secrets).people["admin"]

    async def ask() -> tuple[LoopState, list[Alert]]:
        async with ConsoleClient(endpoints.console, "admin", password) as client:
            if acknowledge:
                answer = await client._http.post(f"/api/alerts/{acknowledge}/acknowledge", json={"comment": "seen"})
                answer.raise_for_status()
            return await client.state(), await client.alerts()

    try:
        state, alerts = asyncio.run(ask())
    except (ConsoleRefused, httpx.TransportError):
        return Seen("", 0, {}, {})
    model = next((m for m in state.models if m.model == MODEL), None)
    return Seen(
        model.in_charge if model else "",
        model.corrections if model else 0,
        dict(model.open_tasks) if model else {},
        {alert.alert_id: alert.state for alert in alerts},
        sum(role.lag_messages or 0 for role in state.roles),
    )


def settled(endpoints: Endpoints, program: Program) -> Seen:
    """What is seen once everything is read, and nothing has changed for a while."""
    seen, since = look(endpoints, program.folder), time.monotonic()

    def unchanged() -> bool:
        nonlocal seen, since
        now = look(endpoints, program.folder)
        if now != seen or now.behind:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > SETTLED_SECONDS

    eventually("the loop to come to rest", unchanged, program.log)
    return seen


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, Seen]]:
    """A loop that has learned and raised alerts, killed -9 and started again on the same folder."""
    folder = tmp_path_factory.mktemp("back") / "data"
    first, second = Program(folder).start(), Program(folder)
    try:
        endpoints = first.endpoints()
        send(endpoints, first, events())

        def ready() -> Seen | None:
            now = look(endpoints, folder)
            learned = now.in_charge not in ("", "production") and now.corrections >= LABELLED_EVENTS
            return now if learned and now.alerts and now.open_tasks else None

        state = eventually("a learned model in charge, and an alert", ready, first.log)
        look(endpoints, folder, acknowledge=min(state.alerts))
        before = settled(endpoints, first)
        first.kill()
        eventually("children to end", lambda: not processes_of(folder), first.log)
        again = second.start().endpoints()
        yield before, settled(again, second)
    finally:
        second.end()
        first.end()


def test_the_learned_model_is_in_charge_again(before_and_after: tuple[Seen, Seen]) -> None:
    """After the restart the same model version is in charge and has the same number of corrections."""
    before, after = before_and_after
    assert before.in_charge.startswith(f"{MODEL}-")
    assert (after.in_charge, after.corrections) == (before.in_charge, before.corrections)


def test_alerts_are_back_in_their_state(before_and_after: tuple[Seen, Seen]) -> None:
    """After the restart there are the same alerts in the same states, also the one that was acknowledged."""
    before, after = before_and_after
    assert "acknowledged" in before.alerts.values()
    assert after.alerts == before.alerts


def test_open_tasks_are_back(before_and_after: tuple[Seen, Seen]) -> None:
    """After the restart every lane has as many open tasks as before, as nobody has answered one."""
    before, after = before_and_after
    assert before.open_tasks.get("review", 0) > 100
    assert after.open_tasks == before.open_tasks
