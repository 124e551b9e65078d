"""What contract tests share."""

from __future__ import annotations

import pytest

from agents.settings import Settings
from review.settings import LaneSettings, QueueSettings
from schemas.codec import encode
from schemas.wire.manifest import Manifest
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.sign_out import SignOut
from tests.support.live_console import LiveConsole
from tests.support.poisoned_console import (
    FAR,
    TEXTS,
    PoisonedWatch,
    names,
    poisoned_alerts,
    poisoned_references,
    poisoned_tasks,
)


@pytest.fixture(scope="module")
def console() -> LiveConsole:
    """A console whose queue, alerts, people, references, models and opinions are all poisoned."""
    lanes = LaneSettings(opinions_needed=2, roles=("reviewer", "on-call", "admin"))
    made = LiveConsole(Settings(queue=QueueSettings(review=lanes, alert=lanes)))
    state = made.state
    for task in poisoned_tasks():
        state.hear_task(encode(task))
    for alert in poisoned_alerts():
        state.hear_alert(encode(alert))
    for reference in poisoned_references():
        state.hear_reference(encode(reference))
    for text in names(TEXTS):
        state.hear_manifest(encode(Manifest(model=text, version=text, recipe=text, created_at=FAR, reason=text)))
        state.hear_person(encode(Person(person_id=text, name=text, roles=(), password_hash=text, changed_at=FAR)))
        state.hear_sign_out(encode(SignOut(person=text, session_id=text, began_at=FAR, ended_at=FAR)))
        state.hear_opinion(
            encode(
                Opinion(
                    opinion_id=text,
                    task_id="t-0",
                    model=text,
                    person=text,
                    answer=text,
                    time=FAR,
                    seconds_spent=1e308,
                    comment=text,
                )
            )
        )
    made.state.tick()
    desk = made.app.state.console.desk
    desk._watch = PoisonedWatch()
    return made
