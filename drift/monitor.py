"""ModelMonitor: everything that drift detection knows about one model, as a pure state machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from drift.alerts.alert_book import AlertBook
from drift.alerts.alert_life import ON_ITS_OWN, Detection
from drift.detect.error_signal import ERROR, ErrorSignal
from drift.detect.signal_watch import AbsentWatch, SignalWatch
from drift.report.request import ReportRequest, report_request
from drift.settings import DriftSettings
from drift.windows.psi import psi
from drift.windows.reference import build_reference, is_past, is_within, next_version
from drift.windows.window import Window, merge_all
from drift.windows.window_builder import WindowBuilder
from schemas.columns.block_rows import AnyBlock
from schemas.wire.alert import CONFIRMED, EXPECTED_CHANGE, FALSE_ALARM, Alert
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference

__all__ = ["AlertChanged", "ModelMonitor", "NewReference", "MonitorResult", "WindowClosed"]


@dataclass(frozen=True, slots=True)
class NewReference:
    """A reference to publish; from now on it is in charge here."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class AlertChanged:
    """A transition of an alert to publish."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """A window of about ``step_events`` × ``window_steps`` events."""

    window: Window


MonitorResult = NewReference | AlertChanged | WindowClosed


class ModelMonitor:
    """Takes blocks and corrections of one model; returns new references, closed windows and changed alerts.

    Nothing here reads a clock: times are the stream's own. The same blocks, in any order that ``WindowBuilder`` can
    put right, give the same outcomes. After a restart, give it the reference in charge and the alerts (``restore``),
    then the blocks from any earlier point on: what was reported is not reported again. ``events_before`` is the number
    of the model's events before the first block that will be read, 0 for the start of the stream; ``partitions`` is
    the number of partitions of their topic.
    """

    def __init__(
        self,
        model: str,
        settings: DriftSettings,
        *,
        reference: Reference | None = None,
        events_before: int = 0,
        partitions: int = 1,
    ) -> None:
        self.model = model
        self._settings = settings
        self.steps = WindowBuilder(settings.step_events, settings, partitions=partitions)
        self._book = AlertBook(model, settings)
        self._error = ErrorSignal(settings)
        self._watches: dict[str, SignalWatch] = {}
        self._absent: dict[str, AbsentWatch] = {}
        self.reference: Reference | None = None
        self._first_steps: list[Window] = []
        self._filling: list[Window] = []
        self._newest: deque[tuple[Window, ...]] = deque(maxlen=settings.windows_kept_max)
        self.events_seen = events_before
        self.windows_seen = 0
        self._judged_until = self._corrected_until = 0
        self._read_until = 0
        """The latest time judged, which does not go back where the model's times do."""
        self._accepted_at: list[int] = []
        self._last_offsets: dict[int, int] = {}
        self.features_unwatched = 0
        self.unwatched: tuple[str, ...] = ()
        if reference is not None:
            self._take_reference(reference)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take over the alerts of the topic, before any block is read again."""
        known = tuple(alerts)
        self._book.restore(known)
        self._accepted_at = sorted(
            alert.changed_at
            for alert in known
            if (alert.signal, alert.state, alert.answer) == (ERROR, "resolved", EXPECTED_CHANGE)
        )

    def observe(self, block: AnyBlock) -> list[MonitorResult]:
        """The outcomes of a block, none if it is empty; blocks may come twice, and out of order within the lateness."""
        if block.events == 0:
            return []
        if block.features_unwatched >= self.features_unwatched:
            self.features_unwatched, self.unwatched = block.features_unwatched, block.unwatched
        resets = self.steps.time_resets
        steps = self.steps.add(block)
        if self.steps.time_resets > resets:
            judged_until = max([self._judged_until, *(step.time for step in steps)])
            self._book.time_jumped_back(at_event=self.events_seen, judged_until=judged_until)
        return [outcome for step in steps for outcome in self._step(step)]

    def flush(self) -> list[MonitorResult]:
        """The outcomes of blocks that still wait, at the end of a recorded stream."""
        return [outcome for step in self.steps.flush() for outcome in self._step(step)]

    def observe_correction(self, correction: Correction) -> list[MonitorResult]:
        """The outcomes of a settled answer or late label."""
        at = correction.created_at
        self._corrected_until = max(self._corrected_until, at)
        while self._accepted_at and self._accepted_at[0] < at:
            self._accepted_at.pop(0)
            self._error.accept()
        detection = self._error.observe(correction)
        changed = []
        if detection is not None:
            changed = self._book.detected(
                [detection],
                at=at,
                at_event=self.events_seen,
                window=self.windows_seen,
                reference_version=self._version,
            )
        elif self._error.quiet:
            changed = self._book.gone_quiet(ERROR, at=at, note="the error rate is back where it was")
        return [AlertChanged(alert) for alert in changed]

    def acknowledge(self, alert_id: str, *, by: str, at: int, note: str = "") -> AlertChanged:
        """A person has seen the alert (``at``: epoch ms); raises UnknownAlertError or TransitionRefusedError."""
        judged_until = self._judged(alert_id, at)
        return AlertChanged(self._book.acknowledge(alert_id, by=by, at=at, note=note, judged_until=judged_until))

    def resolve(self, alert_id: str, *, by: str, at: int, note: str = "") -> AlertChanged:
        """A person closes the alert; raises UnknownAlertError.

        The signal's detectors go on as they are: they have reported this change and fire at the next one.
        """
        judged_until = self._judged(alert_id, at)
        return AlertChanged(self._book.resolve(alert_id, by=by, at=at, note=note, judged_until=judged_until))

    def answer(self, alert_id: str, answer: str, *, by: str, at: int, comment: str = "") -> list[MonitorResult]:
        """The alert's task was settled with this answer; raises UnknownAlertError.

        The answer is noted on the alert. ``confirmed`` acknowledges it, ``false alarm`` resolves it, and after
        ``expected change`` the present is normal: the newest windows become the reference (for the error rate, which is
        no part of it, the present rate counts from then on), and the alert is resolved in any case. Any other answer,
        such as that of a person who cannot tell, leaves the alert as it is.
        """
        note = f"{answer}: {comment}" if comment else answer
        judged_until = self._judged(alert_id, at)
        alert = self._book.answer(alert_id, answer, by=by, at=at, note=note, judged_until=judged_until)
        outcomes: list[MonitorResult] = [AlertChanged(alert)]
        if answer == CONFIRMED and alert.state == "firing":
            outcomes.append(self.acknowledge(alert_id, by=by, at=at))
        elif answer == FALSE_ALARM:
            outcomes.append(self.resolve(alert_id, by=by, at=at, note=note))
        elif answer == EXPECTED_CHANGE:
            outcomes += self._accept(alert, by=by, at=at, note=note)
        return outcomes

    def _accept(self, alert: Alert, *, by: str, at: int, note: str) -> list[MonitorResult]:
        if alert.signal == ERROR:
            self._accepted_at.append(at)
            note = f"{note}; the present error rate is the new normal"
            return [self.resolve(alert.alert_id, by=by, at=at, note=note)]
        outcomes = self.adopt_reference(by=by, at=at, reason=f"alert {alert.alert_id}: {note}")
        if self._book.get(alert.alert_id) is not None:
            note = f"{note}; the reference stays as it is, because no window has closed since this worker began to read"
            outcomes.append(self.resolve(alert.alert_id, by=by, at=at, note=note))
        return outcomes

    def annotate(self, alert_id: str, *, report_id: str = "", report_problem: str = "", note: str = "") -> AlertChanged:
        """Name the alert's report, or say why there is none; raises UnknownAlertError."""
        return AlertChanged(
            self._book.annotate(alert_id, report_id=report_id, report_problem=report_problem, note=note)
        )

    def adopt_reference(self, *, by: str, at: int, reason: str) -> list[MonitorResult]:
        """Make the newest windows the reference, and resolve all alerts but those on the error rate.

        While no window has closed, nothing changes.
        """
        steps = [step for window in self._newest for step in window]
        if not steps:
            return []
        version = next_version(self._version)
        reference = build_reference(
            steps,
            version=version,
            created_at=at,
            reason=reason,
            settings=self._settings,
            last_offsets=self._last_offsets,
        )
        note = f"reference {version} was adopted"
        resolved = [
            self.resolve(alert.alert_id, by=by, at=at, note=f"{alert.note}; {note}" if alert.answer else note)
            for alert in self._book.open
            if alert.signal != ERROR
        ]
        self._take_reference(reference)
        self._warm_up(steps)
        return [NewReference(reference), *resolved]

    def leave(self, note: str) -> list[AlertChanged]:
        """Resolve the open alerts of a model that is no longer watched.

        Alerts about blocks or corrections that were not read again after a restart stay as they are.
        """
        at = max(self._judged_until, self._corrected_until)
        ended = [alert for alert in self._book.open if self._has_met(alert)]
        return [self.resolve(alert.alert_id, by=ON_ITS_OWN, at=max(at, alert.changed_at), note=note) for alert in ended]

    def has_read(self, alert: Alert) -> bool:
        """Whether the blocks have been read, again after a restart, as far as this alert is about them."""
        return alert.signal == ERROR or self._has_met(alert)

    def _has_met(self, alert: Alert) -> bool:
        """Whether the blocks, or for the error rate the corrections, that this alert is about have been read."""
        return alert.fired_at <= (self._corrected_until if alert.signal == ERROR else self._read_until)

    @property
    def moment(self) -> tuple[str, int, str]:
        """Identifies a report of now: the model, its number of closed windows, and the reference's version."""
        return self.model, self.windows_seen, self._version

    def report_source(self) -> Callable[[str, Iterable[str]], ReportRequest | None]:
        """A function that makes, later, the request for a report on the windows of now.

        It takes the report's id and the signals that the report is for. It returns None if there was no reference or
        no window.
        """
        reference, newest, settings = self.reference, tuple(self._newest), self._settings

        def make(report_id: str, signals: Iterable[str]) -> ReportRequest | None:
            if reference is None or not newest:
                return None
            return report_request(report_id, reference, tuple(map(_joined, newest)), settings, signals)

        return make

    @property
    def _version(self) -> str:
        return "" if self.reference is None else self.reference.version

    def _judged(self, alert_id: str, at: int) -> int:
        is_error = any(alert.alert_id == alert_id and alert.signal == ERROR for alert in self._book.open)
        return at if is_error else self._judged_until

    def _take_reference(self, reference: Reference) -> None:
        self.reference = reference
        signals = sorted({*reference.numeric, *reference.categorical})
        self._watches = {signal: SignalWatch(signal, reference, self._settings) for signal in signals}
        self._absent = {}

    def _warm_up(self, steps: Iterable[Window]) -> None:
        for step in steps:
            for watch in self._watches.values():
                watch.observe_step(step)

    def _step(self, step: Window) -> Iterator[MonitorResult]:
        self.events_seen += step.events
        self._judged_until = step.time
        self._read_until = max(self._read_until, step.time)
        for block in step.blocks:
            self._last_offsets[block.partition] = max(self._last_offsets.get(block.partition, 0), block.last_offset)
        if self.reference is None:
            yield from self._gather(step)
        elif (is_news := is_past(self.reference, step)) or is_within(self.reference, step):
            self._watch_absent(step, self.reference.events)
            watches: list[SignalWatch | AbsentWatch] = [*self._watches.values(), *self._absent.values()]
            detections = [watch.observe_step(step) for watch in watches]
            if is_news:
                yield from self._alerts_of(detections, step.time)
        self._filling.append(step)
        if len(self._filling) >= self._settings.window_steps:
            yield from self._close_window()

    def _watch_absent(self, step: Window, events: int) -> None:
        """Watch what the reference of so many events does not have: as many features as may be watched at all.

        Where there are more, those with an open alert stay, then those that most events of the step have: a name that
        few events bring displaces no other, and is soon displaced itself.
        """
        new = {*step.numeric, *step.categorical}.difference(self._watches, self._absent)
        if not new:
            return
        alerted = {alert.signal for alert in self._book.open}

        def rank(signal: str) -> tuple[bool, float, bool, str]:
            return signal not in alerted, -step.present_share(signal), signal in new, signal

        watched = sorted((*self._absent, *new), key=rank)[: self._settings.features_watched_max]
        self._absent = {
            signal: self._absent.get(signal) or AbsentWatch(signal, events, self._settings) for signal in watched
        }

    def _gather(self, step: Window) -> Iterator[MonitorResult]:
        self._first_steps.append(step)
        if sum(first.events for first in self._first_steps) < self._settings.reference_events:
            return
        steps, self._first_steps = self._first_steps, []
        reference = build_reference(
            steps,
            version=next_version(""),
            created_at=step.time,
            reason=f"the first {sum(first.events for first in steps)} events",
            settings=self._settings,
            last_offsets=self._last_offsets,
        )
        self._take_reference(reference)
        self._warm_up(steps)
        yield NewReference(reference)

    def _close_window(self) -> Iterator[MonitorResult]:
        steps, self._filling = tuple(self._filling), []
        self._newest.append(steps)
        self.windows_seen += 1
        window = _joined(steps)
        indices = {} if self.reference is None else psi(self.reference, window)
        yield WindowClosed(window)
        if self.reference is None or not is_past(self.reference, steps[-1]):
            return
        at = steps[-1].time
        detections = [watch.observe_window(window, indices[signal]) for signal, watch in self._watches.items()]
        for absent in self._absent.values():
            absent.observe_window(window)
        yield from self._alerts_of(detections, at)
        watches: list[SignalWatch | AbsentWatch] = [*self._watches.values(), *self._absent.values()]
        for watch in watches:
            if watch.quiet:
                for alert in self._book.gone_quiet(watch.signal, at=at, note="back within the reference"):
                    yield AlertChanged(alert)

    def _alerts_of(self, detections: Iterable[Detection | None], at: int) -> Iterator[MonitorResult]:
        for alert in self._book.detected(
            [detection for detection in detections if detection is not None],
            at=at,
            at_event=self.events_seen,
            window=self.windows_seen,
            reference_version=self._version,
        ):
            yield AlertChanged(alert)


def _joined(steps: Iterable[Window]) -> Window:
    return merge_all(chain.from_iterable(step.blocks for step in steps))
