"""The error signal: was the production model right, judged only on corrections that are a uniform sample."""

from __future__ import annotations

from collections import OrderedDict

from drift.alert_life import Detection
from drift.detectors import AdwinDetector
from drift.settings import DriftSettings
from schemas.correction import Correction
from schemas.hashing import uniform_draws

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
    theirs. A review asked with less than the floor is kept always and counts too little.
    """
    if correction.source == "label":
        return 1.0
    if correction.inclusion_probability <= 0.0:
        return 0.0
    return min(1.0, audit_floor / correction.inclusion_probability)


class ErrorSignal:
    """ADWIN on right (0) and wrong (1); only a rise is a finding. An event counts once, by its first correction."""

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._adwin = AdwinDetector(settings.adwin_delta, VALUES_MIN)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._baseline: float | None = None
        self._window: list[float] = []
        self._quiet_windows = 0
        self.kept = 0

    @property
    def quiet(self) -> bool:
        """Whether the error rate has been back near its level before the rise for long enough."""
        return self._quiet_windows >= self._settings.quiet_windows_to_resolve

    def observe(self, correction: Correction) -> Detection | None:
        """A rise, if this correction completes one."""
        draw = float(uniform_draws([correction.event_id], THINNING_SALT)[0])
        if correction.event_id in self._seen or draw >= keep_chance(correction, self._settings.error_audit_floor):
            return None
        self._seen[correction.event_id] = None
        if len(self._seen) > self._settings.error_events_remembered_max:
            self._seen.popitem(last=False)
        self.kept += 1
        wrong = float(correction.label != correction.prediction)
        self._count(wrong)
        if not self._adwin.update(wrong, self.kept):
            return None
        return self._judge(correction)

    def _count(self, wrong: float) -> None:
        self._window.append(wrong)
        if len(self._window) < self._settings.error_window_corrections:
            return
        rate = sum(self._window) / len(self._window)
        self._window.clear()
        back = self._baseline is None or rate <= self._baseline + self._settings.error_level_rise_min
        self._quiet_windows = self._quiet_windows + 1 if back else 0

    def _judge(self, correction: Correction) -> Detection | None:
        evidence = self._adwin.evidence()
        before, after = evidence["level_before"], evidence["level_after"]
        rise = after - (before if self._baseline is None else min(before, self._baseline))
        if after <= before or rise < self._settings.error_level_rise_min:
            return None
        if self._baseline is None or self.quiet:
            self._baseline = before
        self._quiet_windows = 0
        return Detection(
            signal=ERROR,
            detector=self._adwin.name,
            severity="critical" if rise >= 3 * self._settings.error_level_rise_min else "warning",
            evidence={
                "error_before": before,
                "error_after": after,
                "corrections_after": evidence["values_after"],
                "corrections": float(self.kept),
            },
            anchor=correction.correction_id,
        )
