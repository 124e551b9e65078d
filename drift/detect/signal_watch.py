"""SignalWatch: the detectors of one signal, and whether it is back in the reference."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from drift.alerts.alert_life import Detection
from drift.blocks.moments import distance
from drift.detect.detectors import AdwinDetector, DepartureDetector, PsiDetector
from drift.settings import DriftSettings
from drift.windows.constant import is_constant, other_share
from drift.windows.psi import NORMAL_VALUES_MIN, Stability, category_bins, presence_counts, presence_key, reach
from drift.windows.window import Window
from schemas.wire.alert import Severity
from schemas.wire.block import NumericSummary
from schemas.wire.reference import NumericReference, Reference

__all__ = ["AbsentWatch", "SignalWatch"]

STANDARDISED_MAX: Final = 10.0
"""Standardised means are clipped here: one monstrous value must not widen ADWIN's variance for hours."""

SUSPECT_STEPS: Final = 10
"""Steps after ADWIN's cut in which the level may still turn out to be far from the reference."""

LEVEL_VALUES_MIN: Final = 100
"""A level is the mean of at least so many numbers of the newest steps: of fewer, one outlier would be a level."""

SHIFT_SD_MAX: Final = 1000.0

PSI_LEAST: Final = 1e-9
"""The least threshold of an index, where settings have 0: an index of 0 is never a change."""

REACH_SHARE: Final = 0.9
"""A threshold is at most this share of the index of a complete change, unless the reference came near that."""

NORMAL_FACTOR_MIN: Final = 1.25
"""A threshold is at least this many times the largest index within the reference."""


class SignalWatch:
    """ADWIN on the standardised mean of each step, the population stability index on each window.

    A step's mean is standardised as (mean − reference mean) / max(block_sd, sd/√n): block_sd is the deviation of step
    means in the reference's real order, so ordinary autocorrelation counts as normal. ADWIN finds that the level has
    changed; it is an alert if, then or within the next ten steps, the newest ``adwin_steps_min`` steps are also far
    from the reference (``shift_sd_warning``, ``shift_block_sd_min``), so a return to normal is none. For a signal that
    few events have, these are as many steps as hold ``LEVEL_VALUES_MIN`` numbers. After a change ADWIN takes the new
    level as its own normal and reports the next change from there, while "back to normal" always means back within the
    reference.

    Nothing here has a unit: distances and deviations only meet as ratios. A signal that had one value in all of the
    reference has no deviation to measure by; its share of other values counts instead (DepartureDetector). If a signal
    had fewer than ``NORMAL_VALUES_MIN`` numbers, their level and distribution are unknown: then only how many events
    have a number, a text or nothing is watched.
    """

    def __init__(self, signal: str, reference: Reference, settings: DriftSettings) -> None:
        self.signal = signal
        self._settings = settings
        self._version = reference.version
        normal = reference.numeric.get(signal)
        self._normal = normal if normal is not None and normal.count >= NORMAL_VALUES_MIN else None
        self._psi_thresholds = _psi_thresholds(signal, reference, settings)
        self._adwin = AdwinDetector(settings.adwin_delta, settings.adwin_steps_min)
        self._departure = departure_detector(settings, 0 if self._normal is None else self._normal.count)
        self._psi = PsiDetector(1.0, settings.psi_windows)
        self._quiet_windows = 0
        self._suspect_steps = 0
        self._level_before = 0.0
        self._newest: deque[tuple[float, int]] = deque()
        """Distances of the means of the newest steps, and how many numbers each is of."""

    @property
    def quiet(self) -> bool:
        """Whether it has been back within the reference for ``quiet_windows_to_resolve`` windows."""
        return self._quiet_windows >= self._settings.quiet_windows_to_resolve

    def observe_step(self, step: Window) -> Detection | None:
        """A finding about the step's mean; None if the reference had too few numbers or the step has none."""
        now = step.numeric.get(self.signal)
        if self._normal is None or now is None or now.count == 0:
            return None
        if is_constant(self._normal):
            return self._observe_departure(self._normal, step, now)
        away = distance(now, self._normal)
        self._remember(away, now.count)
        scale = max(self._normal.block_sd, self._normal.sd / math.sqrt(now.count))
        if self._adwin.update(_clipped(away, scale, STANDARDISED_MAX)):
            self._suspect_steps = max(SUSPECT_STEPS, math.ceil(LEVEL_VALUES_MIN / now.count))
            self._level_before = self._adwin.level_before * scale
        if self._suspect_steps == 0:
            return None
        self._suspect_steps -= 1
        values = sum(count for _, count in self._newest)
        level = sum(mean * count for mean, count in self._newest) / values
        if values < LEVEL_VALUES_MIN or not self._far(level):
            return None
        self._quiet_windows = self._suspect_steps = 0
        shift_sd = self._shift_sd(level)
        evidence = {
            "reference_mean": self._normal.mean,
            "mean_before": self._normal.mean + self._level_before,
            "mean_after": self._normal.mean + level,
            "shift_sd": shift_sd,
        }
        return Detection(self.signal, self._adwin.name, self._severity(shift_sd, "shift_sd_critical"), evidence)

    def observe_window(self, window: Window, indices: Stability) -> Detection | None:
        """A finding about the window's distribution; ``indices`` are its population stability indices beyond noise.

        A window whose index of values is unknown does not count as one that is back in the reference.
        """
        _, index, threshold = max(
            (index / threshold, index, threshold)
            for index, threshold in zip(indices, self._psi_thresholds, strict=True)
            if index is not None
        )
        now = window.numeric.get(self.signal)
        back = index < threshold and not self._moved(window, now)
        is_unknown = indices.values is None and index < threshold
        self._quiet_windows = 0 if not back else self._quiet_windows + (not is_unknown)
        if is_unknown:
            return None
        if not self._psi.update(index / threshold):
            return None
        self._quiet_windows = 0
        evidence = {"psi": index, "psi_threshold": threshold}
        if self._normal is not None and now is not None and now.count:
            evidence |= self._constant_evidence(self._normal, window, now)
            if not is_constant(self._normal):
                evidence |= {
                    "reference_mean": self._normal.mean,
                    "mean_after": now.mean,
                    "shift_sd": self._shift_sd(distance(now, self._normal)),
                }
        return Detection(self.signal, self._psi.name, self._severity(index, "psi_critical"), evidence)

    def _remember(self, away: float, count: int) -> None:
        """Keep the newest ``adwin_steps_min`` steps, and as many before them as a level needs."""
        self._newest.append((away, count))
        spare = sum(seen for _, seen in self._newest) - LEVEL_VALUES_MIN
        while len(self._newest) > self._settings.adwin_steps_min and self._newest[0][1] <= spare:
            spare -= self._newest.popleft()[1]

    def _observe_departure(self, normal: NumericReference, step: Window, now: NumericSummary) -> Detection | None:
        share = other_share(step, self.signal, normal, self._version)
        if not self._departure.update(share, now.count):
            return None
        self._quiet_windows = 0
        evidence = self._constant_evidence(normal, step, now)
        return Detection(self.signal, self._departure.name, self._severity(share, "departure_share_critical"), evidence)

    def _constant_evidence(self, normal: NumericReference, window: Window, now: NumericSummary) -> dict[str, float]:
        """Evidence about a signal that was constant; nothing for others."""
        if not is_constant(normal):
            return {}
        return {
            "constant_before": normal.minimum,
            "other_share": other_share(window, self.signal, normal, self._version),
            "mean_after": now.mean,
        }

    def _severity(self, size: float, critical: str) -> Severity:
        return "critical" if size >= getattr(self._settings, critical) else "warning"

    def _moved(self, window: Window, now: NumericSummary | None) -> bool:
        if self._normal is None or now is None or now.count == 0:
            return False
        if is_constant(self._normal):
            share = other_share(window, self.signal, self._normal, self._version)
            return share >= self._settings.departure_share_warning
        return self._far(distance(now, self._normal))

    def _far(self, away: float) -> bool:
        assert self._normal is not None
        return (
            self._shift_sd(away) >= self._settings.shift_sd_warning
            and abs(away) >= self._settings.shift_block_sd_min * self._normal.block_sd
        )

    def _shift_sd(self, away: float) -> float:
        assert self._normal is not None
        return _clipped(abs(away), self._normal.sd, SHIFT_SD_MAX)


class AbsentWatch:
    """Watches a feature that no event of the reference had, by the share of events that have it now."""

    def __init__(self, signal: str, events: int, settings: DriftSettings) -> None:
        self.signal = signal
        self._settings = settings
        self._departure = departure_detector(settings, events)
        self._quiet_windows = 0

    @property
    def quiet(self) -> bool:
        """Whether it has been missing again for ``quiet_windows_to_resolve`` windows."""
        return self._quiet_windows >= self._settings.quiet_windows_to_resolve

    def observe_step(self, step: Window) -> Detection | None:
        """A finding if enough events of several steps in a row have the feature; once, until it is missing again."""
        share = step.present_share(self.signal)
        if not self._departure.update(share, step.events):
            return None
        self._quiet_windows = 0
        severity: Severity = "critical" if share >= self._settings.departure_share_critical else "warning"
        return Detection(self.signal, self._departure.name, severity, {"missing_before": 1.0, "other_share": share})

    def observe_window(self, window: Window) -> None:
        """Count the windows in a row in which the feature is missing again."""
        is_back = window.present_share(self.signal) < self._settings.departure_share_warning
        self._quiet_windows = self._quiet_windows + 1 if is_back else 0


def departure_detector(settings: DriftSettings, normal_values: int) -> DepartureDetector:
    """A detector that fires after ``adwin_steps_min`` steps at ``departure_share_warning``."""
    return DepartureDetector(settings.departure_share_warning, settings.adwin_steps_min, normal_values)


def _psi_thresholds(signal: str, reference: Reference, settings: DriftSettings) -> tuple[float, float]:
    """Thresholds of the signal's index of values and of its index of presence."""
    events = settings.window_steps * settings.step_events
    presence = presence_counts(signal, reference.numeric, reference.categorical, reference.events)
    bins = []
    if signal in reference.numeric:
        bins.append(reference.numeric[signal].histogram)
    if signal in reference.categorical:
        bins.append(category_bins(reference.categorical[signal], None)[0])
    complete = max(reach(normal, round(events * sum(normal) / reference.events)) for normal in bins)
    return (
        _psi_threshold(reference.psi_normal.get(signal, 0.0), complete, settings),
        _psi_threshold(reference.psi_normal.get(presence_key(signal), 0.0), reach(presence, events), settings),
    )


def _psi_threshold(normal: float, complete: float, settings: DriftSettings) -> float:
    """``psi_normal_factor`` times ``normal``, the largest index of the reference's own windows.

    Where that is more than any change can reach, about the index of a ``complete`` change is enough, unless the
    reference itself came near it.
    """
    enough = max(NORMAL_FACTOR_MIN * normal, REACH_SHARE * complete)
    return max(settings.psi_warning, PSI_LEAST, min(settings.psi_normal_factor * normal, enough))


def _clipped(away: float, scale: float, size_max: float) -> float:
    """``away`` in units of ``scale``, at most ``size_max`` on either side; with a scale of 0, ``size_max`` or 0."""
    if scale == 0.0:
        return math.copysign(size_max, away) if away else 0.0
    return max(-size_max, min(size_max, away / scale))
