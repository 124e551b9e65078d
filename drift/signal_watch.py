"""SignalWatch: the detectors of one signal, and whether it is back in the reference."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from drift.alert_life import Detection
from drift.detectors import AdwinDetector, PsiDetector
from drift.settings import DriftSettings
from drift.window import Window
from schemas.alert import Severity
from schemas.block import NumericSummary
from schemas.reference import NumericReference, Reference

__all__ = ["SignalWatch"]

STANDARDISED_MAX: Final = 10.0
"""Standardised means are clipped here: one monstrous value must not widen ADWIN's variance for hours."""

SUSPECT_STEPS: Final = 10
"""Steps after ADWIN's cut in which the level may still turn out to be far from the reference."""

SHIFT_SD_MAX: Final = 1000.0


class SignalWatch:
    """ADWIN on the standardised mean of each step, the population stability index on each window.

    A step's mean is standardised as (mean − reference mean) / max(block_sd, sd/√n): block_sd is the deviation of step
    means in the reference's real order, so ordinary autocorrelation counts as normal. ADWIN finds that the level has
    changed; it is an alert if, then or within the next ten steps, the newest ``adwin_steps_min`` steps are also far
    from the reference (``shift_sd_warning``, ``shift_block_sd_min``), so a return to normal is none. After a change
    ADWIN takes the new level as its own normal and reports the next change from there, while "back to normal" always
    means back within the reference.
    """

    def __init__(self, signal: str, reference: Reference, settings: DriftSettings) -> None:
        self.signal = signal
        self._settings = settings
        self._normal = reference.numeric.get(signal)
        self._psi_threshold = max(
            settings.psi_warning, settings.psi_normal_factor * reference.psi_normal.get(signal, 0.0)
        )
        self._adwin = AdwinDetector(settings.adwin_delta, settings.adwin_steps_min)
        self._psi = PsiDetector(self._psi_threshold, settings.psi_windows)
        self._quiet_windows = 0
        self._suspect_steps = 0
        self._before = 0.0
        self._newest: deque[float] = deque(maxlen=settings.adwin_steps_min)

    @property
    def quiet(self) -> bool:
        """Whether it has been back within the reference for ``quiet_windows_to_resolve`` windows."""
        return self._quiet_windows >= self._settings.quiet_windows_to_resolve

    def observe_step(self, step: Window, at: int) -> Detection | None:
        """What the step's mean shows; nothing for signals without numbers, or where the step has none."""
        now = step.numeric.get(self.signal)
        if self._normal is None or now is None or now.count == 0:
            return None
        distance = now.mean - self._normal.mean
        self._newest.append(distance)
        scale = _scale(self._normal, now.count)
        if self._adwin.update(max(-STANDARDISED_MAX, min(STANDARDISED_MAX, distance / scale)), at):
            self._suspect_steps = SUSPECT_STEPS
            self._before = self._adwin.evidence()["level_before"] * scale
        if self._suspect_steps == 0:
            return None
        self._suspect_steps -= 1
        level = sum(self._newest) / len(self._newest)
        if not self._far(level):
            return None
        self._quiet_windows = self._suspect_steps = 0
        shift_sd = self._shift_sd(level)
        evidence = {
            "reference_mean": self._normal.mean,
            "mean_before": self._normal.mean + self._before,
            "mean_after": self._normal.mean + level,
            "shift_sd": shift_sd,
        }
        return Detection(self.signal, self._adwin.name, self._severity(shift_sd, "shift_sd_critical"), evidence)

    def observe_window(self, window: Window, index: float, at: int) -> Detection | None:
        """What the window's distribution shows, ``index`` being its population stability index beyond noise."""
        now = window.numeric.get(self.signal)
        back = index < self._psi_threshold and not self._moved(now)
        self._quiet_windows = self._quiet_windows + 1 if back else 0
        if not self._psi.update(index, at):
            return None
        self._quiet_windows = 0
        evidence = {"psi": index, "psi_threshold": self._psi_threshold}
        if self._normal is not None and now is not None and now.count:
            evidence |= {
                "reference_mean": self._normal.mean,
                "mean_after": now.mean,
                "shift_sd": self._shift_sd(now.mean - self._normal.mean),
            }
        return Detection(self.signal, self._psi.name, self._severity(index, "psi_critical"), evidence)

    def _severity(self, size: float, critical: str) -> Severity:
        return "critical" if size >= getattr(self._settings, critical) else "warning"

    def _moved(self, now: NumericSummary | None) -> bool:
        return (
            self._normal is not None and now is not None and now.count > 0 and self._far(now.mean - self._normal.mean)
        )

    def _far(self, distance: float) -> bool:
        assert self._normal is not None
        return (
            self._shift_sd(distance) >= self._settings.shift_sd_warning
            and abs(distance) >= self._settings.shift_block_sd_min * self._normal.block_sd
        )

    def _shift_sd(self, distance: float) -> float:
        assert self._normal is not None
        sd = max(self._normal.sd, _floor(self._normal))
        return min(SHIFT_SD_MAX, abs(distance) / sd)


def _scale(normal: NumericReference, count: int) -> float:
    return max(normal.block_sd, normal.sd / math.sqrt(count), _floor(normal))


def _floor(normal: NumericReference) -> float:
    """For a signal that was constant: a thousandth of its value counts as its deviation."""
    return max(1e-3 * abs(normal.mean), 1e-9)
