"""The learner of one model: it takes corrections and returns gate steps and changes of the version in charge."""

from __future__ import annotations

import dataclasses

from cachetools import FIFOCache

from learning.gate import Evidence
from learning.members.batch import Production, production_of
from learning.refresh_screen import RefreshScreen
from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.snapshots.snapshot import Standing
from learning.stack import Stack
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateDecision, GateStep

__all__ = ["PRODUCTION", "Change", "Elsewhere", "Event", "Learner"]

PRODUCTION = "production"
"""The version name of the producer's own model."""


@dataclasses.dataclass(frozen=True, slots=True)
class Elsewhere:
    """A version in charge that the learner itself does not hold. INTAKE asks it and logs its answers."""

    version: str

    def answer_logged(self, correction: Correction) -> str | None:
        """The answer that was logged when the prediction came; None if the version was not asked."""
        return correction.learned_prediction if correction.learned_version == self.version else None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Another version is in charge now; ``serving`` is None if it is production.

    ``lineage`` names the versions that were in charge before, oldest first, at most LINEAGE_MAX of them.
    """

    decision: GateDecision
    version: str
    parent: str
    lineage: tuple[str, ...]
    corrections: int
    reason: str
    time: int
    serving: ServingModel | None


Event = GateStep | Change

LINEAGE_MAX = 50


class Learner:
    """Learns one watched model's corrections and decides what may serve.

    The challenger is the stack, which learns every correction that consent allows. While production is in charge,
    triage asks frozen copies of the stack, and a gate compares their answers with production's. Once the gate passes, a
    copy is put in charge. From then on the copy is replaced every ``refresh_corrections`` corrections by what the stack
    has learned since, unless that seems worse. Meanwhile a guard (a gate with the roles exchanged) puts production back
    in charge if production turns out better; then a new gate begins.

    Versions are MODEL-1, MODEL-2, … in the order of changes, a return to production included. The learner has no clock
    and no randomness of its own: the same corrections in the same order give the same steps, versions and models.
    Pickle a learner to go on after a restart where it was. A new learner under a version that is already in charge
    takes that version over (``take_over``); its guard then looks at the answers that the version gave.
    """

    def __init__(self, model: str, settings: LearnSettings) -> None:
        self.model = model
        self.settings = settings
        self.serving: ServingModel | Elsewhere | None = None
        self.version = PRODUCTION
        self.corrections = 0
        self.repeats_ignored = 0
        self.without_consent = 0
        self._stack = Stack(settings)
        self._gate = Evidence(settings)
        self._gates = 1
        self._refresh_screen = RefreshScreen(settings)
        remembered_max = settings.corrections_remembered_max
        self._correction_ids: FIFOCache[str, None] = FIFOCache(remembered_max)
        self._event_ids: FIFOCache[str, None] = FIFOCache(remembered_max)
        self._answered_ids: FIFOCache[str, None] = FIFOCache(remembered_max)
        self._labelled_ids: FIFOCache[str, None] = FIFOCache(remembered_max)
        self._compared: FIFOCache[str, tuple[int, bool, bool]] = FIFOCache(remembered_max)
        self._changes = 0
        self._steps = 0
        self._lineage: tuple[str, ...] = ()

    @property
    def left_out(self) -> dict[str, int]:
        """Corrections that taught nothing, by reason."""
        return {
            "repeated": self.repeats_ignored,
            "without consent": self.without_consent,
            "label too many": self._stack.labels_refused,
        }

    def candidate(self) -> ServingModel:
        """A frozen copy of the stack that is not in charge; triage asks it where errors are likely."""
        version = f"{self.model}-{self._changes + 1}"
        return ServingModel(self.model, version, self._stack.freeze(), self.settings.scored_events_max)

    def take_over(self, standing: Standing) -> bool:
        """Go on under the version in charge; False if this learner put it there itself.

        In that case the learner may be ahead by refreshes that were not published. In any other case the log no longer
        has the corrections that led to the version in charge, or the learner gave way to those of other models in
        between. What is learned stays, and the evidence begins anew.
        """
        is_ahead = standing.is_learned and self.serving is not None and standing.version in self._lineage
        is_same = standing.version == self.version and standing.is_learned == (self.serving is not None)
        if is_ahead or is_same:
            return False
        self.serving = Elsewhere(standing.version) if standing.is_learned else None
        self.version, self._lineage = standing.version, standing.lineage[-LINEAGE_MAX:]
        self._changes = max(self._changes, standing.changes)
        self._begin_gate()
        return True

    def learn(self, correction: Correction) -> list[Event]:
        """Learn a correction; returns the gate steps and changes of the version in charge that follow from it.

        A repeated correction and one without consent change nothing. Of two corrections of one event the second is not
        learned; the gate counts it if one is a review and the other a late label.
        """
        if not correction.learn:
            self.without_consent += 1
            return []
        # All three memories are asked, so that all remember; the first settled answer to an event holds.
        is_repeat = not is_new(correction.correction_id, self._correction_ids)
        is_first = is_new(correction.event_id, self._event_ids)
        judged = self._labelled_ids if correction.source == "label" else self._answered_ids
        is_judged = not is_new(correction.event_id, judged)
        if is_repeat or (is_judged and not is_first):
            self.repeats_ignored += 1
            return []
        if is_first:
            self._compared[correction.event_id] = (self._gates, *self._study(correction))
        if correction.source == "label":
            self._judge_label(correction)
        else:
            self._judge_answer(correction)
        return self._decide_promotion(correction) if self.serving is None else self._decide_serving(correction)

    def _judge_answer(self, correction: Correction) -> None:
        """Let the gate compare the answers logged with the prediction; only draws of the audit sample count."""
        production_right = correction.prediction == correction.label
        learned_right = production_right
        if self.serving is not None and correction.learned_version:
            learned_right = correction.learned_prediction == correction.label
        elif self.serving is None and correction.challenger_version:
            learned_right = correction.challenger_prediction == correction.label
        pair = (learned_right, production_right) if self.serving is None else (production_right, learned_right)
        self._gate.draws.update(*pair, correction.audit_probability)

    def _judge_label(self, correction: Correction) -> None:
        """Let the gate compare the answers before the event was learned, be it from a review or from this label."""
        gate, challenger_right, champion_right = self._compared.get(correction.event_id) or (0, False, False)
        if gate == self._gates:
            self._gate.labels.update(challenger_right, champion_right, 1.0)

    def _study(self, correction: Correction) -> tuple[bool, bool]:
        """Let the stack answer, then learn; returns whether challenger and champion were right before."""
        production = production_of(correction)
        served = self._answer_served(correction, production)
        learned_right = self._learned(correction, production) == correction.label
        self.corrections += 1
        production_right = correction.prediction == correction.label
        if self.serving is None:
            return learned_right, production_right
        if served is None:
            return production_right, production_right  # no evidence: the version in charge was not asked
        served_right = served == correction.label
        self._refresh_screen.update(learned_right, served_right, correction.inclusion_probability)
        return production_right, served_right

    def _answer_served(self, correction: Correction, production: Production) -> str | None:
        """The answer of the version in charge; None if it is not known."""
        if self.serving is None:
            return production.prediction
        if isinstance(self.serving, Elsewhere):
            return self.serving.answer_logged(correction)
        return self.serving.answer(correction.features, *production)

    def _learned(self, correction: Correction, production: Production) -> str:
        """Let the stack learn; returns its answer before."""
        chance = max(correction.inclusion_probability, 1.0 / self.settings.weight_max)
        weight = correction.reliability / chance
        before = self._stack.learn_one(correction.features, production, correction.label, weight)
        return max(before, key=before.__getitem__)

    def _decide_promotion(self, correction: Correction) -> list[Event]:
        if self._gate.passed:
            return self._change("promoted", self._gate_text(), correction.created_at)
        return self._report(correction)

    def _decide_serving(self, correction: Correction) -> list[Event]:
        time = correction.created_at
        if self._gate.passed:
            return self._change("rolled_back", self._gate_text(), time)
        if self._refresh_screen.due:
            if self._refresh_screen.worse:
                step = self._step("refused", self._refresh_screen.text, time)
                self._refresh_screen.postpone()
                return [step]
            return self._change("refreshed", self._refresh_screen.text, time)
        return self._report(correction)

    def _report(self, correction: Correction) -> list[Event]:
        if self._gate.corrections == 0 or self._gate.corrections % self.settings.gate_step_corrections:
            return []
        return [self._step("continue", self._gate_text(), correction.created_at)]

    def _gate_text(self) -> str:
        gate = self._gate
        text = f"{gate.disagreements} disagreements in {gate.corrections} corrections"
        return f"{text}, {gate.forfeited} below the least inclusion probability" if gate.forfeited else text

    def _change(self, decision: GateDecision, reason: str, time: int) -> list[Event]:
        step = self._step(decision, reason, time)
        parent = self.version
        serving = None if decision == "rolled_back" else self.candidate()
        self._changes += 1
        self.version = f"{self.model}-{self._changes}"
        self._lineage = (*self._lineage, parent)[-LINEAGE_MAX:]
        self.serving = serving
        if decision == "refreshed":
            self._refresh_screen = RefreshScreen(self.settings)
        else:
            self._begin_gate()
        change = Change(decision, self.version, parent, self._lineage, self.corrections, reason, time, serving)
        return [step, change]

    def _begin_gate(self) -> None:
        """Start the evidence anew: what there is compares another pair of models."""
        self._gate = Evidence(self.settings)
        self._gates += 1
        self._refresh_screen = RefreshScreen(self.settings)

    def _step(self, decision: GateDecision, reason: str, time: int) -> GateStep:
        self._steps += 1
        following = f"{self.model}-{self._changes + 1}"
        guarding = self.serving is not None and decision in {"continue", "rolled_back"}
        return GateStep(
            model=self.model,
            gate=f"{'guard' if self.serving is not None else 'gate'}-{self._gates}",
            step=self._steps,
            corrections=self._gate.corrections,
            champion=self.version,
            challenger=PRODUCTION if guarding else following,
            log_evidence=self._gate.log_evidence,
            log_threshold=self._gate.log_threshold,
            decision=decision,
            reason=reason,
            time=time,
        )


def is_new(item: str, known: FIFOCache[str, None]) -> bool:
    """Whether an id is not among those ``known``; from then on it is.

    >>> known = FIFOCache(2)
    >>> is_new("a", known), is_new("a", known)
    (True, False)
    """
    if item in known:
        return False
    known[item] = None
    return True
