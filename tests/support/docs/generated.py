"""What docs/ARCHITECTURE.md and docs/producers.md must hold, made from the code."""

from __future__ import annotations

import json

import msgspec

from drift.alerts import alert_life
from review import task_life
from schemas.topics import ALL_TOPICS
from tests.support.grants import table_of_grants
from watchloop.settings_page import TABLE_HEAD, docstrings, row

DAY = 86_400

FLOW = {
    "predictions": ("producers", "INTAKE, RECORD"),
    "labels": ("producers", "LEARN, RECORD"),
    "verdicts": ("INTAKE", "producers, INTAKE, RECORD"),
    "verdicts.accepted": ("INTAKE", "INTAKE, RECORD"),
    "triage.state": ("INTAKE", "INTAKE"),
    "rejects": ("INTAKE, DRIFT, LEARN, RECORD", "RECORD"),
    "blocks": ("INTAKE", "DRIFT, RECORD"),
    "alerts": ("DRIFT", "DESK, DRIFT, RECORD"),
    "review.events": ("INTAKE, DESK", "DESK, RECORD"),
    "review.alerts": ("DRIFT, DESK", "DESK, DRIFT, RECORD"),
    "review.opinions": ("DESK", "DESK, DRIFT, RECORD"),
    "corrections": ("DESK, LEARN", "LEARN, DRIFT, INTAKE, RECORD"),
    "models": ("LEARN", "INTAKE, DESK, LEARN, RECORD"),
    "model.chunks": ("LEARN", "INTAKE"),
    "gates": ("LEARN", "RECORD"),
    "references": ("DRIFT", "INTAKE, DESK, DRIFT, RECORD"),
    "people": ("`watchloop users`", "DESK, RECORD"),
    "sign.outs": ("DESK, `watchloop users`", "DESK"),
    "settings": ("reserved: nobody yet", "RECORD"),
    "audit": ("reserved: nobody yet", "RECORD"),
}
"""Topic to who writes and who reads it."""


USER_WORDS = {"ANONYMOUS": "the plain address"}


def access_table():
    """Who may write and who may read each topic, in the order in which data flows through them."""
    rows = ["| topic | may write | may read |", "|---|---|---|"]
    for topic, (writers, readers) in table_of_grants().items():
        cells = (", ".join(USER_WORDS.get(user, user) for user in users) or "nobody" for users in (writers, readers))
        rows.append(f"| `{topic}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def kept(topic):
    """How long a topic's messages are kept."""
    if topic.compact:
        return "newest of each key"
    if topic.retain_seconds is None:
        return "forever"
    days = topic.retain_seconds // DAY
    return f"{days} day{'s' if days > 1 else ''}"


def topics_table():
    """The topics in the order in which data flows through them."""
    rows = ["| topic | key | value | written by | read by | partitions | kept |", "|---|---|---|---|---|---|---|"]
    for topic in ALL_TOPICS:
        value = topic.value.__name__ if topic.value else "bytes"
        partitions = "1" if topic.single_partition else "`kafka.partitions`"
        rows.append(
            f"| `{topic.name}` | {topic.key} | {value} | {FLOW[topic.name][0]} | {FLOW[topic.name][1]} |"
            f" {partitions} | {kept(topic)} |"
        )
    return "\n".join(rows)


def task_diagram():
    """The transitions of a task as a Mermaid state diagram."""
    lines = [f"    {stage} --> {later}: {step}" for (stage, step), later in task_life.TRANSITIONS.items()]
    ends = ["    settled --> [*]", "    expired --> [*]"]
    return "\n".join(["stateDiagram-v2", "    [*] --> open", *lines, *ends])


def alert_diagram():
    """The transitions of an alert as a Mermaid state diagram."""
    lines = [f"    {state} --> {later}: {action}" for (state, action), later in alert_life.TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> firing", *lines, "    resolved --> [*]"])


def settings_table(struct):
    """The settings of one Struct, as on the page of all settings."""
    meanings = docstrings(struct)
    rows = [row(field, field.default, meanings[field.name]) for field in msgspec.structs.fields(struct)]
    return "\n".join([TABLE_HEAD, *rows])


def fields(struct):
    """Each field of what travels, with its default as JSON, or ``required``."""
    rows = []
    for field in msgspec.structs.fields(struct):
        default = (
            field.default_factory() if field.default is msgspec.NODEFAULT and not field.required else field.default
        )
        shown = "required" if field.required else f"`{json.dumps(msgspec.to_builtins(default))}`"
        rows.append((f"`{field.name}`", shown))
    return rows
