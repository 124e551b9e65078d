"""AlertBook: the open alerts of one model, and how detections change them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drift.alerts import alert_life
from drift.alerts.alert_life import ON_ITS_OWN, SEVERITIES, Detection
from drift.settings import DriftSettings
from schemas.wire.alert import Alert

__all__ = ["AlertBook", "UnknownAlertError"]

LEFT_OUT_NAMED_MAX = 20
"""Signals without an alert of their own that a note names, at most; it counts all of them."""


class UnknownAlertError(LookupError):
    """No open alert has this id."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"no open alert {alert_id!r}: it is resolved already, or never fired")


class AlertBook:
    """At most one open alert for each signal, and ``alerts_open_max`` in all.

    A further detection on a signal with an open alert only adds evidence: a new revision at once if it is worse, else
    at most every ``evidence_windows_min`` windows. At the cap a detection is named in the note of the worst open
    alert, unless it is of higher severity than the mildest, which then makes room for it.
    """

    def __init__(self, model: str, settings: DriftSettings) -> None:
        self._model = model
        self._settings = settings
        self._open: dict[str, Alert] = {}
        self._revised_window: dict[str, int] = {}
        self._reported_until: dict[str, int] = {}
        self._restored: tuple[Alert, ...] = ()
        self._left_out: set[str] = set()

    @property
    def open(self) -> tuple[Alert, ...]:
        """The open alerts, oldest first."""
        return tuple(self._open.values())

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take over the alerts of the topic; findings up to each signal's ``judged_until`` are not reported again."""
        newest: dict[str, Alert] = {}
        for alert in alerts:
            known = newest.get(alert.alert_id)
            if alert.model == self._model and (known is None or known.revision <= alert.revision):
                newest[alert.alert_id] = alert
        self._restored = tuple(sorted(newest.values(), key=lambda alert: (alert.fired_at, alert.alert_id)))
        for alert in self._restored:
            self._reported_until[alert.signal] = max(self._reported_until.get(alert.signal, -1), alert.judged_until)
            if alert.state != "resolved":
                self._open[alert.signal] = alert

    def time_jumped_back(self, *, at_event: int, judged_until: int) -> None:
        """Forget what was reported about times that come again after a jump back at event ``at_event``.

        Open alerts count as judged up to ``judged_until``.
        """
        self._open = {
            signal: msgspec.structs.replace(alert, judged_until=max(alert.judged_until, judged_until))
            for signal, alert in self._open.items()
        }
        self._reported_until = {}
        for alert in self._restored:
            until = alert.judged_until
            if alert.fired_at_event <= at_event:
                is_since = alert.changed_by != ON_ITS_OWN or alert.changed_at < alert.fired_at
                until = alert.changed_at if is_since else -1
            self._reported_until[alert.signal] = max(self._reported_until.get(alert.signal, -1), until)

    def was_reported(self, signal: str, at: int) -> bool:
        """Whether findings about the signal up to ``at`` were reported before the restart."""
        return at <= self._reported_until.get(signal, -1)

    def detected(
        self, detections: Sequence[Detection], *, at: int, at_event: int, window: int, reference_version: str
    ) -> list[Alert]:
        """The revisions that these detections make, the worst first; ``window`` counts closed windows."""
        changed: list[Alert] = []
        ranked = sorted(detections, key=lambda finding: (-SEVERITIES[finding.severity], -finding.size, finding.signal))
        for detection in ranked:
            if self.was_reported(detection.signal, at):
                self._revised_window[detection.signal] = window
                continue
            known = self._open.get(detection.signal)
            if known is not None:
                changed += self._more_evidence(known, detection, at, window)
                continue
            if len(self._open) >= self._settings.alerts_open_max:
                made_room = self._make_room(detection, at)
                changed += made_room
                if not made_room or made_room[0].state != "resolved":
                    continue
            alert = alert_life.fire(
                detection, model=self._model, at=at, at_event=at_event, reference_version=reference_version
            )
            self._keep(alert, window)
            changed.append(alert)
        return changed

    def acknowledge(self, alert_id: str, *, by: str, at: int, judged_until: int, note: str = "") -> Alert:
        """The alert's next revision, acknowledged.

        Raises UnknownAlertError, or TransitionRefusedError where it is acknowledged already.
        """
        alert = alert_life.acknowledge(self._find(alert_id), by=by, at=at, note=note, judged_until=judged_until)
        self._open[alert.signal] = alert
        return alert

    def resolve(self, alert_id: str, *, by: str, at: int, judged_until: int, note: str = "") -> Alert:
        """The alert's last revision; its signal may fire anew. Raises UnknownAlertError."""
        return self._close(alert_life.resolve(self._find(alert_id), by=by, at=at, note=note, judged_until=judged_until))

    def answer(self, alert_id: str, text: str, *, by: str, at: int, note: str, judged_until: int) -> Alert:
        """The alert's next revision, with its task's settled answer; raises UnknownAlertError."""
        alert = alert_life.answer(self._find(alert_id), text, by=by, at=at, note=note, judged_until=judged_until)
        self._open[alert.signal] = alert
        return alert

    def gone_quiet(self, signal: str, *, at: int, note: str) -> list[Alert]:
        """The resolution of the signal's open alert, if there is one and it was not reported before."""
        known = self._open.get(signal)
        if known is None or self.was_reported(signal, at):
            return []
        return [self._close(alert_life.resolve(known, at=at, judged_until=at, note=note))]

    def annotate(self, alert_id: str, *, report_id: str = "", report_problem: str = "", note: str = "") -> Alert:
        """A revision that names the report, or says why there is none; raises UnknownAlertError."""
        alert = alert_life.annotate(self._find(alert_id), report_id=report_id, report_problem=report_problem, note=note)
        self._open[alert.signal] = alert
        return alert

    def get(self, alert_id: str) -> Alert | None:
        """The open alert of this id."""
        return next((alert for alert in self._open.values() if alert.alert_id == alert_id), None)

    def _find(self, alert_id: str) -> Alert:
        alert = self.get(alert_id)
        if alert is None:
            raise UnknownAlertError(alert_id)
        return alert

    def _keep(self, alert: Alert, window: int) -> None:
        self._open[alert.signal] = alert
        self._revised_window[alert.signal] = window

    def _close(self, alert: Alert) -> Alert:
        del self._open[alert.signal]
        self._revised_window.pop(alert.signal, None)
        if not self._open:
            self._left_out.clear()
        return alert

    def _more_evidence(self, known: Alert, detection: Detection, at: int, window: int) -> list[Alert]:
        worse = SEVERITIES[detection.severity] > SEVERITIES[known.severity]
        since = window - self._revised_window.setdefault(known.signal, window)
        if not worse and since < self._settings.evidence_windows_min:
            return []
        alert = alert_life.add_evidence(known, detection, at=at)
        self._keep(alert, window)
        return [alert]

    def _make_room(self, detection: Detection, at: int) -> list[Alert]:
        """The mildest alert, resolved, or the worst with a new note; nothing if the note names the signal already."""
        ranked = sorted(self._open.values(), key=lambda alert: (SEVERITIES[alert.severity], -alert.fired_at))
        mildest, worst = ranked[0], ranked[-1]
        if SEVERITIES[detection.severity] > SEVERITIES[mildest.severity]:
            note = f"made room for a {detection.severity} alert on {detection.signal}: {len(self._open)} were open"
            return [self._close(alert_life.resolve(mildest, at=at, judged_until=at, note=note))]
        if detection.signal in self._left_out:
            return []
        self._left_out.add(detection.signal)
        names = sorted(self._left_out)
        named = ", ".join(names[:LEFT_OUT_NAMED_MAX]) + (", …" if len(names) > LEFT_OUT_NAMED_MAX else "")
        note = f"{len(names)} more signals left normal while {len(self._open)} alerts were open: {named}"
        as_before = Detection(signal=worst.signal, detector=worst.detector, severity=worst.severity)
        alert = alert_life.add_evidence(worst, as_before, at=at, note=note)
        self._open[worst.signal] = alert
        return [alert]
