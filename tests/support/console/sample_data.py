"""Data that looks like a real day at the desk: an electricity market, two reviewers, somebody on call."""

from __future__ import annotations

import functools
import math

import argon2

from console.desk.protocol import Interval, LoopState, ModelState, RoleState
from review.settings import QueueSettings
from review.task_life import alert_task
from schemas.wire.alert import Alert
from schemas.wire.block import CategoryCounts
from schemas.wire.person import Person
from schemas.wire.prediction import Prediction
from schemas.wire.reference import NumericReference, Reference
from tests.support.plain_tasks import new_task_for

MODEL = "elec2"
PASSWORD = "a quiet demand"
HOUR_MS = 3_600_000
IN_THE_STREAM = 1_488_326_400_000
"""2017-03-01: a replay of old events."""


@functools.cache
def password_hash():
    """Cheap to check, so that tests are quick; the hash carries its parameters."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


def people(now):
    made = [
        ("maria", "Maria Okafor", ("reviewer",), False),
        ("jonas", "Jonas Lind", ("reviewer",), False),
        ("noor", "Noor Haddad", ("on-call",), False),
        ("ada", "Ada Byrne", ("admin",), False),
        ("sim-1", "Reviewer 1", ("reviewer",), True),
    ]
    return [
        Person(
            person_id=person_id,
            name=name,
            roles=roles,
            password_hash=password_hash(),
            simulated=simulated,
            changed_at=now,
        )
        for person_id, name, roles, simulated in made
    ]


def numeric(quantiles):
    low, high = quantiles[0], quantiles[-1]
    sd = (high - low) / 4
    return NumericReference(
        count=9000, mean=quantiles[3], sd=sd, block_sd=sd / 5, minimum=low, maximum=high, edges=(), histogram=(9000,),
        quantiles=quantiles,
    )  # fmt: skip


def reference(now):
    return Reference(
        model=MODEL,
        version="elec2-r3",
        created_at=now - 90 * HOUR_MS,
        time_min=now - 400 * HOUR_MS,
        time_max=now - 90 * HOUR_MS,
        events=9000,
        numeric={
            "feature.nswdemand": numeric((0.14, 0.19, 0.31, 0.44, 0.55, 0.69, 0.78)),
            "feature.vicprice": numeric((0.0008, 0.0012, 0.0023, 0.0031, 0.0039, 0.0058, 0.0092)),
            "feature.vicdemand": numeric((0.16, 0.21, 0.35, 0.42, 0.51, 0.64, 0.71)),
            "feature.transfer": numeric((0.15, 0.23, 0.41, 0.415, 0.55, 0.68, 0.76)),
            "feature.period": numeric((0.0, 0.04, 0.25, 0.5, 0.75, 0.96, 1.0)),
        },
        categorical={
            "feature.day": CategoryCounts(counts={str(day): 1290 - 3 * day for day in range(1, 8)}),
            "feature.market": CategoryCounts(counts={"spot": 8900, "day-ahead": 60}),
        },
    )


def prediction(number, now):
    share = 0.5 + 0.09 * (0.5 + 0.5 * math.sin(number))
    answer = "UP" if number % 3 else "DOWN"
    other = "DOWN" if answer == "UP" else "UP"
    return Prediction(
        event_id=f"elec2-{12_400 + number}",
        model=MODEL,
        model_version="gb-2026-02",
        time=now - number * 90_000,
        features={
            "nswdemand": round(0.5 + 0.26 * math.sin(number * 0.7), 4),
            "vicprice": round(0.0135 if number % 5 == 0 else 0.003 + 0.001 * math.cos(number), 5),
            "vicdemand": round(0.44 + 0.21 * math.cos(number * 0.5), 4),
            "transfer": round(0.72 if number % 4 == 0 else 0.41, 4),
            "period": round((number * 7 % 48) / 47, 3),
            "day": str(1 + number % 7),
            "market": "intraday" if number % 5 == 0 else "spot",
            "holiday": None if number % 2 else False,
        },
        prediction=answer,
        probabilities={answer: round(share, 4), other: round(1 - share, 4)},
        slices={"region": "NSW", "hour": "evening peak" if number % 2 else "night"},
        content=(
            "Bid stack and dispatch note for the half hour: interconnector near its limit, two units on outage."
            if number % 5 == 0
            else None
        ),
    )


def tasks(now, many=24):
    settings = QueueSettings()
    made = []
    for number in range(many):
        lane = "escalate" if number % 8 == 3 else "audit" if number % 4 == 1 else "review"
        reasons = {
            "review": (
                "the model is unsure: its confidence is among the lowest tenth",
                "vicprice is out of its usual range",
            ),
            "escalate": ("rule price-spike: vicprice above 0.012",),
            "audit": ("drawn at random: measures the model's accuracy",),
        }[lane]
        made.append(
            new_task_for(
                prediction(number, now),
                lane=lane,
                created_at=now - number * 400_000,
                settings=settings,
                score=0.9 - number / 100,
                uncertainty=0.45,
                inclusion_probability=0.02 if lane == "audit" else 1.0,
                reasons=reasons[: 2 if number % 5 == 0 else 1],
                choices=("UP", "DOWN"),
            )
        )
    return [*made, alert_task(alerts(now)[0], settings=settings)]


def alerts(now):
    firing = Alert(
        alert_id="a-vicprice-1",
        model=MODEL,
        signal="feature.vicprice",
        detector="ADWIN",
        severity="critical",
        state="firing",
        revision=0,
        fired_at=IN_THE_STREAM,
        fired_at_event=18_342,
        changed_at=IN_THE_STREAM,
        raised_at=now - 14 * 60_000,
        told_at=now - 14 * 60_000,
        changed_by="drift",
        reference_version="elec2-r3",
        evidence={"reference_mean": 0.0031, "mean_after": 0.0087, "shift_sd": 3.42, "psi": 0.61, "psi_threshold": 0.2},
        report_id="r-vicprice-1",
    )
    error = Alert(
        alert_id="a-error-1",
        model=MODEL,
        signal="error",
        detector="ADWIN",
        severity="warning",
        state="firing",
        revision=0,
        fired_at=now - 130 * 60_000,
        fired_at_event=14_020,
        changed_at=now - 130 * 60_000,
        changed_by="drift",
        evidence={"error_before": 0.31, "error_after": 0.43, "corrections_after": 212.0},
        report_problem="the error has no window of its own",
    )
    seen = Alert(
        alert_id="a-error-1",
        model=MODEL,
        signal="error",
        detector="ADWIN",
        severity="warning",
        state="acknowledged",
        revision=1,
        fired_at=now - 130 * 60_000,
        fired_at_event=14_020,
        changed_at=now - 100 * 60_000,
        changed_by="noor",
        evidence={"error_before": 0.31, "error_after": 0.43, "corrections_after": 212.0},
        note="looking at the interconnector data",
    )
    return [firing, error, seen]


def state(now):
    model = ModelState(
        model=MODEL,
        events=18_911,
        decisions={"accept": 17_150, "review": 1_502, "escalate": 259},
        open_tasks={"review": 15, "audit": 6, "escalate": 3, "alert": 1},
        corrections=1_386,
        alerts_firing=1,
        in_charge="hat-7",
        in_charge_since=now - 52 * 60_000,
        chosen_share=0.0931,
        answered_share=0.0874,
        budget=0.1,
        accuracy=Interval(estimate=0.634, low=0.602, high=0.667),
    )
    return LoopState(
        at=now,
        models=(model,),
        roles=(
            RoleState(role="intake", lag_messages=0, lag_seconds=0.0, note="keeping up"),
            RoleState(role="drift", lag_messages=0, lag_seconds=0.0, note="keeping up"),
            RoleState(role="desk", lag_messages=0, lag_seconds=0.0, note="keeping up"),
            RoleState(role="learn", lag_messages=41, lag_seconds=17.25, note="catching up"),
            RoleState(role="record", lag_messages=1_240, lag_seconds=412.0, note="falling behind"),
        ),
        rejects={"Expected `float`, got `str` - at `$.confidence`": 3},
        warnings=("3 escalated tasks are overdue; nobody on call has signed in for an hour.",),
    )


REPORT = """<!doctype html><title>Report</title><style>body{font-family:sans-serif;margin:2rem}</style>
<h1>Data drift</h1><p id=said>scripts are off</p>
<script>
document.getElementById("said").textContent = "1 of 7 columns drifted";
let cookies = "none"; try { cookies = document.cookie } catch (error) { cookies = "refused" }
document.title = "cookies: " + cookies;
</script>"""
