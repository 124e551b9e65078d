"""A number written in 32 bits, or summed in another order, is the same number; a change of the data is not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.settings import DriftSettings
from drift.windows.constant import are_alike, is_constant, rounding_of
from drift.windows.reference import build_reference
from drift.windows.window import merge_all
from schemas.wire.reference import NumericReference
from tests.drift.test_units import BACK, CHANGE, EVENTS, watched

Floats = npt.NDArray[np.float64]

INSIDE = slice(CHANGE, BACK)
PRICES = np.array([0.1, 0.2, 0.3, 0.7, 1.1])
MANY_PRICES = np.round(np.arange(1, 31) * 0.1 + 0.03, 2)


def single(values: Floats) -> Floats:
    """As a float of 32 bits says them."""
    return values.astype(np.float32).astype(np.float64)


def drawn(prices: Floats) -> Floats:
    return np.random.default_rng(4).choice(prices, EVENTS)


def changed(values: Floats, now: Floats) -> Floats:
    """``values``, and ``now`` in between."""
    made = values.copy()
    made[INSIDE] = now[INSIDE]
    return made


def mixed(values: Floats, share: float) -> Floats:
    """Some of the values in 32 bits."""
    return np.where(np.random.default_rng(5).random(EVENTS) < share, single(values), values)


ALWAYS = np.full(EVENTS, 0.1)
SAME: dict[str, Floats] = {
    "prices": changed(drawn(PRICES), single(drawn(PRICES))),
    "prices that were in 32 bits": changed(single(drawn(PRICES)), drawn(PRICES)),
    "prices of two senders": changed(mixed(drawn(PRICES), 0.5), single(drawn(PRICES))),
    "many prices": changed(drawn(MANY_PRICES), single(drawn(MANY_PRICES))),
    "many prices of two senders": changed(mixed(drawn(MANY_PRICES), 0.5), drawn(MANY_PRICES)),
    "negative prices": changed(-drawn(PRICES), -single(drawn(PRICES))),
    "a sum in another order": changed(drawn(PRICES), np.where(drawn(PRICES) == 0.3, 0.1 + 0.2, drawn(PRICES))),
    "constant": changed(ALWAYS, single(ALWAYS)),
    "constant that was in 32 bits": changed(single(ALWAYS), ALWAYS),
    "constant, half": changed(ALWAYS, mixed(ALWAYS, 0.5)),
    "constant of two senders": changed(mixed(ALWAYS, 0.5), single(ALWAYS)),
    "negative constant": changed(-0.7 * np.ones(EVENTS), single(-0.7 * np.ones(EVENTS))),
    "one": changed(np.ones(EVENTS), np.full(EVENTS, 1.0000000000000002)),
    "below one": changed(np.ones(EVENTS), np.full(EVENTS, 0.9999999999999999)),
    "continuous": changed(np.random.default_rng(6).random(EVENTS), single(np.random.default_rng(6).random(EVENTS))),
}
OTHER: dict[str, Floats] = {
    "constant by a millionth": changed(ALWAYS, ALWAYS * (1 + 1e-6)),
    "one by a billionth": changed(np.ones(EVENTS), np.full(EVENTS, 1 + 1e-9)),
    "constant of two senders by a millionth": changed(mixed(ALWAYS, 0.5), ALWAYS * (1 + 1e-6)),
    "zero": changed(np.zeros(EVENTS), np.full(EVENTS, 1e-12)),
    "far from zero": changed(np.full(EVENTS, 2.0**40 + 7.5), np.full(EVENTS, 2.0**40 + 0.5)),
    "far from zero, to a whole number": changed(np.full(EVENTS, 2.0**40 + 7.5), np.full(EVENTS, 2.0**40)),
    "a whole number by one": changed(np.full(EVENTS, 2.0**24), np.full(EVENTS, 2.0**24 + 1)),
    "close prices": changed(drawn(PRICES * 1e-6 + 1), drawn(PRICES[:2] * 1e-6 + 1)),
    "prices in between": changed(drawn(PRICES), drawn(np.array([0.15, 0.25, 0.5, 0.9]))),
}


def test_what_is_only_rounded_is_no_change() -> None:
    """Values of any kind, in 64 bits and in 32, one way and the other, of one sender and of two: no alert."""
    alerts, _ = watched(dict(SAME))
    assert alerts == []


def test_what_differs_by_more_is_a_change() -> None:
    """Each has an alert, soon after it, and is back within the reference later."""
    alerts, _ = watched(dict(OTHER))
    fired = {alert.signal.removeprefix("feature."): alert.fired_at_event for alert in alerts if alert.revision == 0}
    assert set(fired) == set(OTHER)
    assert all(CHANGE < at <= CHANGE + 1_000 for at in fired.values()), fired
    assert {alert.signal for alert in alerts if alert.state == "resolved"} == {f"feature.{name}" for name in OTHER}


def test_large_whole_numbers_that_change_by_one_are_seen() -> None:
    """Carried exactly, about 2**60 and beyond: rounding is no reason not to tell."""
    columns = {"id": changed(np.zeros(EVENTS), np.ones(EVENTS))}
    for base in (2**53, 2**60, -(2**60), 2**62 + 1):
        alerts, _ = watched(columns, lambda value, base=base: int(value) + base)
        assert {alert.detector for alert in alerts} == {"departure"}, base


@given(st.floats(-1e100, 1e100))
def test_a_number_is_like_itself_in_32_bits_and_like_no_other(number: float) -> None:
    """Of numbers that 32 bits hold and that are no large whole ones there; one that differs by more is another."""
    here = np.array([number])
    with np.errstate(over="ignore", under="ignore"):
        there = single(here)
    assert are_alike(here, here).all()
    assert not are_alike(here, here * (1 + 1e-6) + 1e-300).any()
    if 1e-30 < abs(number) < 2.0**22:
        assert are_alike(here, there).all()
        assert are_alike(there, here).all()
        assert abs(there[0] - number) <= 2.0**-24 * abs(number)
    assert rounding_of(number) <= 2.0**-24 * abs(number)


@pytest.mark.parametrize("name", [name for name in SAME if "constant" in name])
def test_a_constant_is_one_in_any_width(stream: Any, blocks_of: Any, name: str) -> None:
    """All its values are in one bin, that of the number and its roundings."""
    events = [
        msgspec.structs.replace(event, features={"c": float(SAME[name][index])})
        for index, event in enumerate(stream(CHANGE))
    ]
    steps = [merge_all([block]) for block in blocks_of(events)]
    made = build_reference(steps, version="r1", created_at=0, reason="", settings=DriftSettings())
    normal: NumericReference = made.numeric["feature.c"]
    assert is_constant(normal)
    assert normal.histogram == (0, CHANGE, 0)
