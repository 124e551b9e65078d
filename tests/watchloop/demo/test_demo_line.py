"""The progress line of the demo: it is about the demo's model, whatever else is watched in the same data folder."""

from __future__ import annotations

from console.desk.protocol import LoopState, ModelState
from watchloop.demo.demo import demo_line

OTHER = ModelState(model="churn", events=46, decisions={"accept": 36, "escalate": 10}, open_tasks={"escalate": 10})
DEMO = ModelState(
    model="elec2",
    events=100,
    decisions={"accept": 90, "review": 10},
    open_tasks={"review": 3, "alert": 1},
    alerts_firing=1,
    in_charge="elec2-7",
)


def test_line_is_about_the_model_of_the_demo():
    """A producer's own model, which comes first by its name, is not what the replay shows."""
    assert demo_line(LoopState(at=0, models=(OTHER, DEMO)), "elec2", 5) == (
        "100 verdicts, 4 open tasks, 5 answered by simulated reviewers, 1 alerts firing, in charge: elec2-7"
    )


def test_nothing_is_said_of_another_model():
    """Until the first verdict of the demo is stored, the line says so, though other models have verdicts."""
    for state in (None, LoopState(at=0), LoopState(at=0, models=(OTHER,))):
        assert demo_line(state, "elec2", 0) == "waiting for the first verdicts"
