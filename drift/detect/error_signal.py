"""The error signal: was the production model right, judged only on corrections that are a uniform sample."""

from __future__ import annotations

import math
from collections import deque

from cachetools import FIFOCache

from drift.alerts.alert_life import Detection
from drift.detect.detectors import AdwinDetector
from drift.settings import DriftSettings
from schemas.hashing import uniform_draws
from schemas.wire.correction import Correction

__all__ = ["ERROR", "ErrorSignal", "keep_chance"]

ERROR = "error"
THINNING_SALT = 0x6572_726F
VALUES_MIN = 10


def keep_chance(correction: Correction, audit_floor: float) -> float:
    """The chance that a correction is fed to the detector.

    People are asked about doubtful predictions, so a change of the review policy, or of what is doubtful, moves the
    error rate among reviews though the model's has not moved. Keeping a review with audit_floor / inclusion
    probability makes every event equally likely to count. Late labels come whether or not anybody was in doubt
    (inclusion probability 1), so all are kept; where producers label only some kinds of events, the signal is
    about those alone. A review drawn with less than the floor is always kept, and counts too little.

    >>> review = Correction(correction_id="c", model="m", event_id="e", time=0, created_at=0, label="a", features={},
    ...     source="review", prediction="a", confidence=0.9, inclusion_probability=0.5)
    >>> keep_chance(review, audit_floor=0.02)
    0.04
    """
    if correction.source == "label":
        return 1.0
    if correction.inclusion_probability <= 0.0:
        return 0.0
    return min(1.0, audit_floor / correction.inclusion_probability)


class ErrorSignal:
    """ADWIN on right (0) and wrong (1) answers; only a rise is a finding. An event's first correction alone counts.

    ADWIN says that something changed, often before it is clear how much: the rise is judged on the newest
    ``error_window_corrections`` corrections, at the cut and until that many came after it.
    """

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._adwin = AdwinDetector(settings.adwin_delta, VALUES_MIN)
        self._seen: FIFOCache[str, None] = FIFOCache(settings.error_events_remembered_max)
        self._newest: deque[float] = deque(maxlen=settings.error_window_corrections)
        self._baseline: float | None = None
        self._suspect = 0
        self._quiet_windows = 0
        self.kept = 0

    @property
    def quiet(self) -> bool:
        """Whether the error rate has been back near its level before the rise for long enough."""
        return self._quiet_windows >= self._settings.quiet_windows_to_resolve

    def accept(self) -> None:
        """The present error rate is the new normal: the next rise is judged from there."""
        self._baseline = None
        self._suspect = self._quiet_windows = 0

    def observe(self, correction: Correction) -> Detection | None:
        """A rise, if this correction completes one."""
        draw = float(uniform_draws([correction.event_id], THINNING_SALT)[0])
        if correction.event_id in self._seen or draw >= keep_chance(correction, self._settings.error_audit_floor):
            return None
        self._seen[correction.event_id] = None
        self.kept += 1
        wrong = float(correction.label != correction.prediction)
        self._newest.append(wrong)
        if self.kept % self._settings.error_window_corrections == 0:
            self._quiet_windows = self._quiet_windows + 1 if self._is_back() else 0
        if self._adwin.update(wrong):
            if self._baseline is None or self.quiet:
                self._baseline = self._adwin.level_before
            self._suspect = self._settings.error_window_corrections
        if self._suspect == 0:
            return None
        self._suspect -= 1
        return self._judge(correction)

    def _rate(self) -> float:
        return sum(self._newest) / len(self._newest)

    def _is_back(self) -> bool:
        return self._baseline is None or self._rate() - self._baseline < self._rise_min(self._baseline)

    def _rise_min(self, baseline: float) -> float:
        """A rise that matters and is beyond twice the standard error of the newest corrections' rate."""
        variance = max(rate * (1.0 - rate) for rate in (baseline, self._rate()))
        return max(self._settings.error_level_rise_min, 2.0 * math.sqrt(variance / len(self._newest)))

    def _judge(self, correction: Correction) -> Detection | None:
        before, after = self._baseline or 0.0, self._rate()
        rise = after - before
        if rise < self._rise_min(before):
            return None
        self._suspect = self._quiet_windows = 0
        return Detection(
            signal=ERROR,
            detector=self._adwin.name,
            severity="critical" if rise >= 3 * self._settings.error_level_rise_min else "warning",
            evidence={
                "error_before": before,
                "error_after": after,
                "rise": rise,
                "corrections": float(self.kept),
            },
            anchor=correction.correction_id,
        )
