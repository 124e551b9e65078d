"""A console over topics whose values are valid but unusual."""

from __future__ import annotations

from typing import Any

import msgspec

from agents.desk.loop_watch import LoopFigures, ModelFigures
from console.desk.protocol import Interval, RoleState
from schemas.wire.alert import Alert
from schemas.wire.block import CategoryCounts
from schemas.wire.reference import NumericReference, Reference
from schemas.wire.task import Evidence, Task
from tests.support.live_console import BEGIN_MS, StillWatch
from warehouse.query.loop_figures import RejectCounts

FAR = 253_402_300_799_999
PAGE_CPU_SECONDS_MAX = 20.0
"""What one page may compute, whatever it shows: no clock, so that a busy machine changes nothing."""
TEXTS = (
    "", "\x00", "\x1b[2J\x07", "\u202egnp.exe", "\u2066\u2069\ufeff", "a/b?c=d#e", "../../etc", ".", "..", "%00%ff%",
    "'\"><script>alert(1)</script>", "</script></style></textarea>-->", "{{ 7 * 7 }}{% raw %}", "line\nbreak\r\n\ttab",
    "\u20ac" * 60, "\U0001f4a3" * 40, "\ud7ff\ue000\uffff", " ", "-1", "NaN", "null", "x" * 200, "__cannot_tell__",
)  # fmt: skip
CONTENTS = (
    *TEXTS, "[" * 30_000, "[" * 500 + "]" * 500, '{"a":' * 20_000, "[" + "9" * 5_000 + "]", '{"a": 1e400, "b": NaN}',
    '["' + '\\"' * 40_000, "data:image/png;base64,%%%", "data:image/svg+xml,<svg onload=alert(1)>", "http://[", "https://",
    "https://x/\x00", "http://\u20ac.example/" + "a" * 10_000, "javascript:alert(1)", "x" * 100_000, '["\\ud800"]',
)  # fmt: skip
NUMBERS = (0, -0.0, 1e308, -1e308, 5e-324, 10**40, -(10**18), 2**63, 9007199254740993, True, None)


def names(texts: Any) -> list[str]:
    return [text for text in texts if 0 < len(text) <= 200]


def task(number: int, **changes: Any) -> Task:
    evidence = Evidence(event_id="e", time=BEGIN_MS, features={"x": 1.0}, prediction="up", confidence=0.5)
    plain = Task(
        task_id=f"t-{number}", lane="review", model="m", created_at=BEGIN_MS, due_at=BEGIN_MS + 10**9, priority=1.0,
        choices=("up", "down"), evidence=evidence,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def seen(**changes: Any) -> Evidence:
    return msgspec.structs.replace(task(0).evidence, **changes)  # type: ignore[type-var, return-value]


def poisoned_tasks() -> list[Task]:
    """Valid tasks, each with an unusual value in another field."""
    texts, short = names(TEXTS), names(TEXTS)
    changes: list[dict[str, Any]] = [
        *({"evidence": seen(content=content)} for content in CONTENTS),
        *({"task_id": text} for text in texts),
        *({"model": text, "choices": (text, "up"), "reasons": (text,)} for text in texts),
        *({"evidence": seen(prediction=text, event_id=text, model_version=text)} for text in short),
        {"evidence": seen(features=dict.fromkeys(texts, "</script>"), slices=dict.fromkeys(texts, "</td>"))},
        {"evidence": seen(features={f"n{n}": number for n, number in enumerate(NUMBERS)} | {"ranged": 1e308})},
        {"evidence": seen(probabilities=dict.fromkeys(texts, 1e+308)), "choices": tuple(texts)},
        {"evidence": seen(time=FAR, confidence=1.0), "created_at": FAR, "due_at": FAR, "changed_at": FAR},
        {"evidence": seen(time=0, confidence=0.0), "created_at": 0, "lane": "audit", "due_at": 0},
        {"evidence": None}, {"lane": "alert", "evidence": None}, {"lane": "alert", "alert_id": "absent"},
        {"lane": "escalate", "priority": 1e308}, {"lane": "audit", "priority": -1e308, "choices": ()},
        {"choices": ("up", "up", ""), "reasons": ("",) * 1_000}, {"choices": tuple(map(str, range(2_000)))},
        *({"lane": "alert", "evidence": None, "alert_id": text} for text in short),
    ]  # fmt: skip
    return [task(number, **change) for number, change in enumerate(changes)]


def poisoned_alerts() -> list[Alert]:
    plain: dict[str, Any] = {
        "model": "m", "signal": "feature.x", "detector": "ADWIN", "severity": "critical", "state": "firing",
        "revision": 0, "fired_at": BEGIN_MS, "fired_at_event": 1, "changed_at": BEGIN_MS,
    }  # fmt: skip
    evidence = {"shift_sd": 1e308, "psi": -1e308, "error_before": 1e308, "corrections": 1e308, "steps_after": -1.0}
    return [
        *(Alert(alert_id=text, **plain | {"note": text, "signal": text, "report_id": text}) for text in names(TEXTS)),
        Alert(alert_id="big", **plain | {"evidence": evidence | dict.fromkeys(TEXTS, 5e-324)}),
        Alert(alert_id="far", **plain | {"fired_at": FAR, "raised_at": FAR, "told_at": FAR, "fired_at_event": 10**30}),
        Alert(alert_id="gone", **plain | {"state": "resolved", "fired_at": 0, "changed_at": 0, "changed_by": "\x00"}),
    ]


def poisoned_references() -> list[Reference]:
    wild = (-1e308, -1e308, 0.0, 0.0, 0.0, 1e308, 1e308)
    numeric = NumericReference(
        count=1, mean=0.0, sd=0.0, block_sd=0.0, minimum=0.0, maximum=0.0, edges=(), histogram=(), quantiles=wild
    )
    counts = [{"a": 0}, {"a": -5, "b": 5}, dict.fromkeys(TEXTS, 10**30)]
    return [
        Reference(
            model="m", version="\x00", created_at=FAR, time_min=FAR, time_max=0, events=0,
            numeric={"feature.ranged": numeric, "feature.n2": numeric, "feature.n5": numeric},
            categorical={f"feature.{text}": CategoryCounts(counts=counts[n % 3]) for n, text in enumerate(TEXTS)},
        )
    ]  # fmt: skip


class PoisonedWatch(StillWatch):
    """A watch with unusual figures, as an archive of such values would have them."""

    figures = LoopFigures(
        models={
            text: ModelFigures(
                events=10**30, decisions={"accept": -1}, corrections=0, chosen_share=1e308, answered_share=-1e308,  # type: ignore[dict-item]
                accuracy=Interval(estimate=1e308, low=-1e308, high=1e308, level=0.0),
            )
            for text in TEXTS
        },
        roles=tuple(RoleState(role=text, lag_messages=10**30, note=text) for text in TEXTS),
        rejects=RejectCounts(dict.fromkeys(TEXTS, -1), -1, 10**30),
        warnings=TEXTS,
    )  # fmt: skip
