"""The monitor of one model: same blocks, same alerts; a change is found, steady streams are quiet."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from drift.monitor import AlertChanged, ModelMonitor, MonitorResult, NewReference, WindowClosed
from drift.settings import DriftSettings
from schemas import codec
from schemas.wire.alert import Alert
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference
from tests.support.paths import SHARED

SETTINGS = DriftSettings()
DATA = SHARED / "data"


def alerts(outcomes: list[MonitorResult]) -> list[Alert]:
    return [outcome.alert for outcome in outcomes if isinstance(outcome, AlertChanged)]


def firing(outcomes: list[MonitorResult]) -> list[Alert]:
    return [alert for alert in alerts(outcomes) if alert.revision == 0]


def observe(monitor: ModelMonitor, blocks: list[Block]) -> list[MonitorResult]:
    return [outcome for block in blocks for outcome in monitor.observe(block)]


@pytest.fixture
def live(blocks_of: Any) -> Any:
    """A run as it is live: blocks are measured on the reference as soon as there is one."""

    def run(events: list[Prediction], partitions: int = 1) -> tuple[ModelMonitor, list[Block], list[MonitorResult]]:
        monitor = ModelMonitor("m", SETTINGS)
        plain = blocks_of(events, partitions=partitions)
        outcomes: list[MonitorResult] = []
        read: list[Block] = []
        on_edges: dict[str, Block] = {}
        for block in plain:
            if monitor.reference is not None and not on_edges:
                measured = blocks_of(events, partitions=partitions, reference=monitor.reference)
                on_edges = {block.block_id: block for block in measured}
            read.append(on_edges.get(block.block_id, block))
            outcomes += monitor.observe(read[-1])
        return monitor, read, outcomes + monitor.flush()

    return run


def test_the_first_events_become_the_reference(stream: Any, live: Any) -> None:
    """One reference, of at least ``reference_events`` events, and windows of at least 500."""
    monitor, _, outcomes = live(stream(4000))
    references = [outcome.reference for outcome in outcomes if isinstance(outcome, NewReference)]
    windows = [outcome for outcome in outcomes if isinstance(outcome, WindowClosed)]
    assert [(reference.version, reference.events) for reference in references] == [("r1", 2000)]
    assert monitor.reference == references[0]
    assert [closed.window.events for closed in windows] == [500] * 8
    assert sum(closed.window.events for closed in windows) == monitor.events_seen == 4000


@pytest.mark.parametrize("seed", range(5))
def test_a_steady_stream_is_quiet(stream: Any, live: Any, seed: int) -> None:
    """20,000 steady events of five signals give no alert."""
    _, _, outcomes = live(stream(20_000, seed=seed), partitions=3)
    assert alerts(outcomes) == []


@pytest.mark.parametrize("shift", [0.45, 0.7, 2.0, -2.0])
def test_a_change_is_found_within_a_thousand_events_on_its_signal_only(stream: Any, live: Any, shift: float) -> None:
    """One alert, on the signal that moved, with the shift as evidence."""
    _, _, outcomes = live(stream(9000, shift=shift, change_at=6000), partitions=4)
    (alert,) = firing(outcomes)
    assert (alert.signal, alert.state, alert.reference_version) == ("feature.x", "firing", "r1")
    assert 6000 < alert.fired_at_event <= 7000
    assert alert.evidence["mean_after"] == pytest.approx(shift, abs=0.4)


def test_an_alert_resolves_by_itself_when_the_signal_is_back(stream: Any, live: Any) -> None:
    """After ``quiet_windows_to_resolve`` windows within the reference, not before; the way back is no new alert."""
    _, _, outcomes = live(stream(20_000, shift=2.0, change_at=6000, change_end=9000))
    history = [alert for alert in alerts(outcomes) if alert.state != "firing" or alert.revision == 0]
    assert [alert.state for alert in history] == ["firing", "resolved"]
    assert history[1].changed_by == "watchloop"
    back = (history[1].changed_at - 1_700_000_000_000) / 1000
    assert 13_900 <= back <= 14_600


def test_arrival_order_within_the_lateness_changes_no_outcome(stream: Any, live: Any) -> None:
    """Partitions that run ahead of each other give the same alerts, references and windows."""
    _, blocks, expected = live(stream(9000, shift=2.0, change_at=6000), partitions=4)
    queues = [[block for block in blocks if block.partition == p] for p in range(4)]
    rng = random.Random(3)
    arrived: list[Block] = []
    while any(queues):
        behind = max(map(len, queues))
        arrived.append(rng.choice([queue for queue in queues if queue and behind - len(queue) < 4]).pop(0))
    monitor = ModelMonitor("m", SETTINGS)
    assert observe(monitor, arrived) + monitor.flush() == expected


def test_reading_the_blocks_again_tells_nothing_new(stream: Any, live: Any) -> None:
    """After a restart the same alerts are open under the same ids, and the next change still fires."""
    events = stream(9000, shift=2.0, change_at=6000)
    before, blocks, outcomes = live(events, partitions=2)
    published = [codec.decode(Alert, codec.encode(alert)) for alert in alerts(outcomes)]
    reference = codec.decode(Reference, codec.encode(before.reference))
    again = ModelMonitor("m", SETTINGS, reference=reference)
    again.restore(published)
    replayed = observe(again, blocks)
    assert alerts(replayed) == []
    assert not any(isinstance(outcome, NewReference) for outcome in replayed)
    assert [alert.alert_id for alert in again._book.open] == [alert.alert_id for alert in before._book.open]


def test_without_the_alerts_the_same_ids_come_again(stream: Any, live: Any) -> None:
    """Ids depend on the blocks alone, whether the reference is made anew or handed in."""
    before, blocks, outcomes = live(stream(9000, shift=2.0, change_at=6000))
    for reference in (None, before.reference):
        again = ModelMonitor("m", SETTINGS, reference=reference)
        replayed = observe(again, blocks) + again.flush()
        assert alerts(replayed) == alerts(outcomes)


def test_people_acknowledge_and_resolve(stream: Any, live: Any) -> None:
    """A person's transition is a revision with their name; after it the same change does not fire again."""
    events = stream(12_000, shift=2.0, change_at=6000)
    monitor, _, outcomes = live(events[:8000])
    (alert,) = firing(outcomes)
    acknowledged = monitor.acknowledge(alert.alert_id, by="ann", at=5).alert
    resolved = monitor.resolve(alert.alert_id, by="bob", at=6, note="sensor was moved").alert
    assert (acknowledged.state, acknowledged.changed_by) == ("acknowledged", "ann")
    assert (resolved.state, resolved.changed_by, resolved.note) == ("resolved", "bob", "sensor was moved")
    assert monitor._book.open == ()


def test_the_present_can_become_the_reference(stream: Any, blocks_of: Any, live: Any) -> None:
    """Adopting it makes r2, ends the alerts, and what goes on as now is normal."""
    events = stream(16_000, shift=2.0, change_at=4000)
    monitor, _, _ = live(events[:9000])
    assert len(monitor._book.open) == 1
    adopted = monitor.adopt_reference(by="ann", at=7, reason="new normal")
    assert isinstance(adopted[0], NewReference)
    assert adopted[0].reference.version == "r2"
    assert adopted[0].reference.numeric["feature.x"].mean == pytest.approx(2.0, abs=0.1)
    assert [alert.state for alert in alerts(adopted)] == ["resolved"]
    after = [block for block in blocks_of(events, reference=monitor.reference) if block.first_offset >= 9000]
    assert alerts(observe(monitor, after)) == []


def test_report_rows_are_typed_and_bounded(stream: Any, live: Any) -> None:
    """A request has the reference's sample and the newest windows' rows, numbers as numbers."""
    monitor, _, _ = live(stream(5000))
    request = monitor.report_source()("rep", ())
    assert request is not None
    assert request.numeric == ["confidence", "feature.x", "feature.y"]
    assert request.categorical == ["prediction", "feature.kind"]
    assert len(request.reference) == SETTINGS.report_rows_max
    assert len(request.current) == 4 * 5 * SETTINGS.sample_rows_per_block
    assert ModelMonitor("m", SETTINGS).report_source()("rep", ()) is None


def test_the_change_in_real_insect_recordings_is_found(live: Any) -> None:
    """Real recordings with one abrupt change: found within 1,000 events on the temperature, and no storm."""
    path = DATA / "stream_insects_wbf" / "insects_wbf.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    import pandas as pd

    frame = pd.read_parquet(path, columns=["wing_beat_hz", "temperature_c"])[40_000:60_000]
    events = [
        Prediction(event_id=f"e{index}", model="m", time=index * 100, features=row, prediction="5", confidence=0.9)
        for index, row in enumerate(frame.to_dict("records"))
    ]
    _, _, outcomes = live(events, partitions=3)
    fired_at = {alert.signal: alert.fired_at_event for alert in firing(outcomes)}
    assert 10_700 < fired_at["feature.temperature_c"] <= 11_700
    assert len(fired_at) == len(firing(outcomes)) <= 2


@pytest.mark.parametrize(
    ("file", "dropped"),
    [
        ("stream_elec2/elec2.parquet", ["t", "date", "nswprice", "label"]),
        ("stream_noaa_weather/noaa_weather.parquet", ["t", "raw_class"]),
    ],
)
def test_real_seasons_are_no_storm(live: Any, file: str, dropped: list[str]) -> None:
    """Years of seasons and a market that changes give an on-call person at most three alerts in 10,000 events."""
    path = DATA / file
    if not path.exists():
        pytest.skip(f"{path} is not here")
    import pandas as pd

    frame = pd.read_parquet(path).drop(columns=dropped)
    events = [
        Prediction(event_id=f"e{index}", model="m", time=index * 1000, features=row, prediction="a", confidence=0.9)
        for index, row in enumerate(frame.to_dict("records"))
    ]
    _, _, outcomes = live(events, partitions=3)
    assert len(firing(outcomes)) <= 3 * len(events) / 10_000


@pytest.mark.parametrize("wrong", [0, 253_402_300_799_999])
def test_a_wrong_clock_in_the_reference_does_not_blind_it(stream: Any, live: Any, wrong: int) -> None:
    """One event from 1970 or 9999 among the first leaves the detection of a later change as it was."""
    events = stream(9000, shift=2.0, change_at=6000)
    events[700] = msgspec.structs.replace(events[700], time=wrong)
    _, _, outcomes = live(events, partitions=2)
    (alert,) = firing(outcomes)
    assert 6000 < alert.fired_at_event <= 7000


def test_counting_goes_on_after_what_is_no_longer_kept(stream: Any, live: Any, blocks_of: Any) -> None:
    """Where the first blocks are gone, ``events_before`` keeps the events' numbers."""
    events = stream(9000, shift=2.0, change_at=6000)
    before, _, _ = live(events)
    later = [block for block in blocks_of(events, reference=before.reference) if block.first_offset >= 4000]
    again = ModelMonitor("m", SETTINGS, reference=before.reference, events_before=4000)
    (alert,) = firing(observe(again, later) + again.flush())
    assert 6000 < alert.fired_at_event <= 7000


def settled(number: int, at: int) -> Correction:
    return Correction(
        correction_id=f"c{number}", model="m", event_id=f"e{number}", time=at, created_at=at, label="a", source="label",
        features={}, prediction="a", confidence=0.9, inclusion_probability=1.0,
    )  # fmt: skip


def test_who_loses_its_place_leaves_no_alert_that_was_read(stream: Any, live: Any) -> None:
    """After a restart its alert is over once the blocks that it tells of were read again, and stays as it is before:
    corrections, which are read beside them and are newer, do not stand for them."""
    before, blocks, outcomes = live(stream(9000, shift=2.0, change_at=6000))
    (alert,) = firing(outcomes)
    for read, ended in ((blocks[:3], []), (blocks, [alert.alert_id])):
        again = ModelMonitor("m", SETTINGS, reference=before.reference)
        again.restore(alerts(outcomes))
        again.observe_correction(settled(1, alert.fired_at + 10**9))
        observe(again, read)
        assert again.has_read(alert) == bool(ended)
        assert [left.alert.alert_id for left in again.leave("others came")] == ended


def test_times_that_go_back_leave_no_alert_behind(stream: Any, live: Any) -> None:
    """A clock that ran ahead and was put right: what was told ahead has been read, although the times are older now."""
    events = stream(30_000, shift=2.0, change_at=6000)
    put_right = [
        msgspec.structs.replace(event, time=event.time - (3_600_000 * 20 if index >= 12_000 else 0))
        for index, event in enumerate(events)
    ]
    monitor, _, outcomes = live(put_right)
    fired = firing(outcomes)
    assert fired
    assert monitor.steps.time_resets
    assert all(map(monitor.has_read, fired))
    newest = {alert.alert_id: alert.state for alert in alerts(outcomes)}
    opened = {alert_id for alert_id, state in newest.items() if state != "resolved"}
    assert {left.alert.alert_id for left in monitor.leave("others came")} == opened != set()
