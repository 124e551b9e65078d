"""The state of DRIFT is shown: late and forced blocks, and features that are not watched."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from agents.drift.block_handler import BlockHandler
from agents.drift.drift_states import COUNT_SECONDS, RETRY_SECONDS, TELL_SECONDS, DriftStates
from agents.drift.monitors import Monitors
from agents.shared.metrics import exposition
from agents.shared.model_places import ModelPlaces
from drift.settings import DriftSettings
from review.settings import QueueSettings
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import ALERTS, BLOCKS, REJECTS
from schemas.wire.alert import Alert
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from tests.support.made_blocks import build_blocks
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from warehouse.errors import WarehouseError

SMALL = DriftSettings(features_watched_max=2, reference_events=200, lateness_events=500, open_blocks_max=30)


class NoReports:
    """Makes no reports."""

    def ask(self, *_: Any, **__: Any) -> None:
        """Reports are tested elsewhere."""

    def poll(self) -> list[Any]:
        return []


class Shelf:
    """Keeps the rows that are stored."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_away = False

    def insert(self, table: str, rows: list[dict[str, Any]], *, token: str) -> None:
        assert table == "drift_states"
        if self.is_away:
            raise WarehouseError("away")
        self.rows += rows


class House:
    """DRIFT with a clock that the test moves."""

    def __init__(self, settings_of: Callable[[str], DriftSettings] = lambda _model: SMALL, **options: Any) -> None:
        self.seconds, self.shelf, self.outbox = 1_700_000_000.0, Shelf(), CollectingOutbox()
        reports: Any = NoReports()
        shelf: Any = self.shelf
        self.monitors = Monitors(
            settings_of, QueueSettings(), reports, states=DriftStates(shelf), clock=lambda: self.seconds, **options
        )
        self.drift = BlockHandler(
            self.monitors, PREFIX, load=lambda: ({}, ()), partitions_of=lambda: 2, clock=lambda: self.seconds
        )
        self.drift.assigned([])

    def read(self, *blocks: Block) -> None:
        self.drift.handle([PlainRecord(encode(block), name=BLOCKS.name) for block in blocks], self.outbox)

    def later(self, seconds: float = TELL_SECONDS + 1) -> None:
        self.seconds += seconds
        self.drift.handle([], self.outbox)


def block(number: int, *, partition: int = 0, model: str = "states", features: int = 4, scale: float = 1.0) -> Block:
    events = [
        Prediction(
            event_id=f"{partition}-{number}-{index}", model=model, time=1_700_000_000_000 + 1000 * number + index,
            features={f"f{feature}": scale * index for feature in range(features)}, prediction="a", confidence=0.9,
        )
        for index in range(100)
    ]  # fmt: skip
    (made,) = build_blocks(
        PredictionColumns.of(events), partitions=[partition] * 100, offsets=range(number * 100, number * 100 + 100),
        decisions=np.zeros(100, np.int8), decision_names=("accept",), reference=None, settings=SMALL,
    )  # fmt: skip
    return made


def test_the_count_of_events_does_not_grow_old() -> None:
    """One row a minute is stored while only the count changes, and none while nothing changes."""
    house = House()
    for number in range(1, 4):
        for partition in (0, 1):
            house.read(block(number, partition=partition))
        house.later(COUNT_SECONDS + 1)
    assert len(house.shelf.rows) >= 3
    assert house.shelf.rows[-1]["events_seen"] == house.monitors.by_model["states"].events_seen
    told = len(house.shelf.rows)
    house.later(10 * COUNT_SECONDS)
    assert len(house.shelf.rows) == told


def metric(name: str, model: str = "states") -> float:
    (line,) = (line for line in exposition().decode().splitlines() if line.startswith(f'{name}{{model="{model}"}}'))
    return float(line.split()[-1])


def test_late_and_forced_blocks_and_unwatched_features_are_told() -> None:
    """They are shown as metrics and in one row; another row comes only when something has changed."""
    house = House()
    house.read(block(0), block(0, partition=1))
    house.read(*(block(number) for number in range(1, 20)))
    house.read(block(1, partition=1), block(2, partition=1))
    house.later()
    row = house.shelf.rows[-1]
    assert (row["late_blocks"], row["late_events"], row["forced_blocks"]) == (2, 200, 0)
    assert (row["features_unwatched"], row["unwatched"], row["model"]) == (2, ["f2", "f3"], "states")
    assert metric("watchloop_late_blocks") == 2
    assert metric("watchloop_late_events") == 200
    assert metric("watchloop_forced_blocks") == 0
    assert metric("watchloop_features_unwatched") == 2
    known = len(house.shelf.rows)
    house.read(*(block(number) for number in range(20, 30)))
    house.later()
    house.later()
    assert len(house.shelf.rows) == known
    house.read(block(3, partition=1))
    house.later()
    assert house.shelf.rows[-1]["late_blocks"] == 3


def test_blocks_judged_before_their_turn_are_counted() -> None:
    """One partition is far ahead of another: beyond the limit its blocks are judged early, and counted as forced."""
    house = House(lambda _: msgspec.structs.replace(SMALL, lateness_events=100_000, open_blocks_max=3))
    house.read(block(0, partition=1, model="early"), *(block(number, model="early") for number in range(9)))
    house.later()
    assert house.shelf.rows[-1]["forced_blocks"] == 7  # of ten blocks three may wait
    assert metric("watchloop_forced_blocks", "early") == 7


def test_a_warehouse_that_is_away_holds_up_nothing() -> None:
    """Rows that ClickHouse does not take are stored later, and not tried again at every batch."""
    house = House()
    house.shelf.is_away = True
    house.read(block(0))
    house.later()
    house.shelf.is_away = False
    house.later()
    assert house.shelf.rows == []
    house.later(RETRY_SECONDS)
    assert [row["model"] for row in house.shelf.rows] == ["states"]


def test_a_new_model_is_watched_when_strangers_have_filled_all_places() -> None:
    """As in INTAKE, configured models need no place, the model used longest ago goes, and nothing is rejected."""
    house = House(places=ModelPlaces(2, {"ours"}))
    house.read(*(block(0, model=model) for model in ("a", "ours", "b", "c", "b", "d")))
    assert list(house.monitors.by_model) == ["ours", "b", "d"]
    assert house.outbox.of(REJECTS) == []


def test_who_loses_its_place_leaves_no_open_alert_and_comes_back_with_its_reference() -> None:
    """Its alerts are resolved and say why, its metrics end; when it comes again, its reference and its count go on."""
    house = House(places=ModelPlaces(1))
    for number in range(40):
        house.read(block(number, model="m"))
    for number in range(40, 100):
        house.read(block(number, model="m", scale=9.0))
    house.later()
    reference = house.monitors.by_model["m"].reference
    events = house.monitors.by_model["m"].events_seen
    assert reference is not None
    assert {alert.state for alert in newest_alerts(house)} == {"firing"}
    house.read(block(0, model="stranger"))
    for alert in newest_alerts(house):
        assert alert.state == "resolved"
        assert "worker.models_max" in alert.note
    assert 'watchloop_late_blocks{model="m"}' not in exposition().decode()
    house.read(block(100, model="m", scale=9.0))
    again = house.monitors.by_model["m"]
    assert again.reference is not None
    assert msgspec.structs.replace(again.reference, told_at=0) == reference
    assert (again.events_seen >= events, again._book.open) == (True, ())


def test_alerts_of_who_made_room_are_over_whatever_the_newcomer_brings() -> None:
    """The new model's first block is rejected; the alerts of the model that made room are resolved all the same."""

    def settings_of(model: str) -> DriftSettings:
        if model == "stranger":
            raise ValueError("no such model")
        return SMALL

    house = House(settings_of, places=ModelPlaces(1))
    for number in range(100):
        house.read(block(number, model="m", scale=1.0 if number < 40 else 9.0))
    house.later()
    assert {alert.state for alert in newest_alerts(house)} == {"firing"}
    house.read(block(0, model="stranger"))
    assert len(house.outbox.of(REJECTS)) == 1
    assert {alert.state for alert in newest_alerts(house)} == {"resolved"}


def newest_alerts(house: House) -> list[Alert]:
    newest = {alert.alert_id: alert for alert in house.outbox.of(ALERTS) if isinstance(alert, Alert)}
    return list(newest.values())


def test_an_empty_block_is_nothing() -> None:
    """A block without events would fill no window, and so it takes no memory."""
    house = House()
    empty = msgspec.structs.replace(block(0), events=0, numeric={}, categorical={}, sample=())
    for number in range(500):
        house.read(msgspec.structs.replace(empty, block_id=f"b{number}", time_max=empty.time_max + number))
    assert len(house.monitors.by_model["states"].steps._filling) == 0


def test_models_that_lost_their_place_are_not_shown() -> None:
    """/metrics shows no names that came once, and no models that another worker has now."""
    house = House(places=ModelPlaces(5, {"ours"}))
    for number in range(30):
        house.read(block(0, model=f"once {number}"), block(number, model="ours"))
        house.later()
    shown = set(re.findall(r'watchloop_late_blocks\{model="([^"]*)"', exposition().decode()))
    assert "ours" in shown
    assert len([name for name in shown if name.startswith("once")]) == 5
    house.drift.assigned([])
    house.later()
    shown = set(re.findall(r'watchloop_late_blocks\{model="([^"]*)"', exposition().decode()))
    assert not [name for name in shown if name.startswith("once")]
