"""References and the population stability index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drift.settings import DriftSettings
from drift.windows.psi import index_of, noise_of, psi
from drift.windows.reference import build_reference, next_version
from drift.windows.window import merge_all
from schemas import codec
from schemas.wire.reference import Reference

SETTINGS = DriftSettings()


@pytest.fixture
def reference(stream: Any, blocks_of: Any) -> Reference:
    steps = [merge_all([block]) for block in blocks_of(stream(2000))]
    return build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)


def test_the_reference_describes_its_events(reference: Reference, stream: Any) -> None:
    """Edges cut into bins of equal frequency; quantiles, moments and counts are the events'."""
    x = np.array([event.features["x"] for event in stream(2000)])
    normal = reference.numeric["feature.x"]
    assert np.isclose(normal.mean, x.mean())
    assert np.isclose(normal.sd, x.std(ddof=1))
    assert len(normal.edges) == 9
    assert sum(normal.histogram) == 2000
    assert all(195 <= count <= 205 for count in normal.histogram)
    assert np.isclose(normal.quantiles[3], np.median(x))
    assert 0.05 < normal.block_sd < 0.2
    assert reference.categorical["feature.kind"].counts == {"a": 1000, "b": 1000}
    assert len(reference.sample) == SETTINGS.reference_sample_rows_max
    assert codec.decode(Reference, codec.encode(reference)) == reference


def test_a_constant_signal_has_a_bin_around_its_value(stream: Any, blocks_of: Any) -> None:
    """Whatever leaves a constant, up or down, falls into another bin."""
    import msgspec

    events = [msgspec.structs.replace(event, features={"c": 7.0}) for event in stream(500)]
    steps = [merge_all([block]) for block in blocks_of(events)]
    normal = build_reference(steps, version="r1", created_at=0, reason="", settings=SETTINGS).numeric["feature.c"]
    assert normal.histogram == (0, 500, 0)


def test_the_sample_respects_its_bytes(stream: Any, blocks_of: Any) -> None:
    """Rows that do not fit are left out."""
    steps = [merge_all([block]) for block in blocks_of(stream(1000))]
    chosen = DriftSettings(reference_bytes_max=10_000)
    made = build_reference(steps, version="r1", created_at=0, reason="", settings=chosen)
    assert 10 < len(made.sample) < 100


def test_versions_count_up() -> None:
    """r1 first, then one more each time."""
    assert [next_version(version) for version in ("", "r1", "r9")] == ["r1", "r2", "r10"]


def test_no_events_no_reference() -> None:
    """The error says what is needed."""
    with pytest.raises(ValueError, match="at least one block"):
        build_reference([], version="r1", created_at=0, reason="", settings=SETTINGS)


def test_equal_distributions_stay_below_noise_and_shifts_do_not(
    reference: Reference, stream: Any, blocks_of: Any
) -> None:
    """Fresh windows of the same stream show nothing; a shift of one deviation shows on its signal only."""
    same = merge_all(blocks_of(stream(500, seed=3), reference=reference))
    moved = merge_all(blocks_of(stream(500, seed=4, shift=1.0), reference=reference))
    assert max(max(index or 0.0 for index in stability) for stability in psi(reference, same).values()) < 0.05
    stabilities = psi(reference, moved)
    assert stabilities.pop("feature.x").values > 0.5
    assert max(map(max, stabilities.values())) < 0.05


def test_a_feature_that_vanishes_shows(reference: Reference, stream: Any, blocks_of: Any) -> None:
    """All missing is a distribution too, for numbers and for categories."""
    import msgspec

    events = [msgspec.structs.replace(event, features={"y": event.features["y"]}) for event in stream(500, seed=3)]
    stabilities = psi(reference, merge_all(blocks_of(events, reference=reference)))
    assert stabilities["feature.x"].presence > 1
    assert stabilities["feature.kind"].presence > 1
    assert stabilities["feature.x"].values == stabilities["feature.kind"].values == 0.0
    assert max(stabilities["feature.y"]) < 0.05


def test_windows_on_other_edges_are_not_compared(reference: Reference, stream: Any, blocks_of: Any) -> None:
    """The values of numeric signals wait until half the window's events lie on this reference's edges."""
    stabilities = psi(reference, merge_all(blocks_of(stream(500, seed=3))))
    assert stabilities["feature.x"].values is None
    assert stabilities["feature.kind"].values == stabilities["feature.x"].presence == 0.0


def test_many_rare_categories_are_no_drift() -> None:
    """The noise bound grows with the bins, so a long tail does not fire by itself."""
    rng = np.random.default_rng(1)
    normal = np.bincount(rng.integers(0, 50, 2000), minlength=50).tolist()
    exceeded = 0
    for _ in range(200):
        now = np.bincount(rng.integers(0, 50, 500), minlength=50).tolist()
        exceeded += index_of(normal, now) > noise_of(normal, now)
    assert exceeded <= 4


@pytest.mark.parametrize(("categories", "share"), [(1, 1.0), (5, 1.0), (1, 0.3)])
def test_a_long_tail_that_collapses_shows(stream: Any, blocks_of: Any, categories: int, share: float) -> None:
    """Thousands of categories, of which few have a name in the reference, then a few new ones: that is a change."""
    import msgspec

    rng = np.random.default_rng(2)

    def events(count: int, seed: int, collapsed: float = 0.0) -> list[Any]:
        return [
            msgspec.structs.replace(
                event,
                features={
                    "tail": f"new{index % categories}" if rng.random() < collapsed else f"c{rng.integers(10_000)}"
                },
            )
            for index, event in enumerate(stream(count, seed=seed))
        ]

    steps = [merge_all([block]) for block in blocks_of(events(2000, 0))]
    made = build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)
    limit = max(0.25, 3 * made.psi_normal["feature.tail"])
    same = [
        max(psi(made, merge_all(blocks_of(events(500, seed), reference=made)))["feature.tail"]) for seed in range(3, 8)
    ]
    collapsed = psi(made, merge_all(blocks_of(events(500, 9, share), reference=made)))["feature.tail"].values
    assert max(same) < 0.1
    assert collapsed > limit
