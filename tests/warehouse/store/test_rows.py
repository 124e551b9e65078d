"""Every kind of value becomes rows that ClickHouse accepts, and comes back with equal values."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.topics import ALL_TOPICS
from schemas.wire.alert import Alert
from schemas.wire.audit_entry import AuditEntry
from schemas.wire.base import Wire
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.label import Label
from schemas.wire.manifest import Manifest
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.prediction import Consent, Prediction
from schemas.wire.reference import NumericReference, Reference
from schemas.wire.reject import Reject
from schemas.wire.setting import Setting
from schemas.wire.task import Evidence, Task
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.errors import UnsupportedTopic
from warehouse.settings import ClickHouseSettings
from warehouse.store.feature_maps import split_features
from warehouse.store.rows import Identity, encode_rows, report_row
from warehouse.store.tables import TABLE_OF_TOPIC, table_of

T0 = 1_700_000_000_123
FEATURES = {"n": 0.1, "i": 7, "yes": True, "no": False, "s": 'tab\t "ü" \'', "nothing": None}
SAMPLE = SampledRow(hash=2**63, event_id="e", time=T0, features=FEATURES, prediction="UP", confidence=0.25)
NUMERIC = NumericSummary(count=3, missing=1, mean=0.1, m2=0.2, minimum=-1.0, maximum=1.0, histogram=(1, 2, 0))
NORMAL = NumericReference(
    count=3, mean=0.1, sd=1.5, block_sd=0.1, minimum=-1.0, maximum=1.0, edges=(0.0,), histogram=(1, 2),
    quantiles=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
)  # fmt: skip
COUNTS = CategoryCounts(counts={"UP": 2, "DOWN": 1}, missing=2)
EVIDENCE = Evidence(
    event_id="e1", time=T0, model_version="7", features=FEATURES, prediction="UP", confidence=0.6,
    probabilities={"UP": 0.6, "DOWN": 0.4}, slices={"region": "EU"}, content="text", learned_prediction="DOWN",
)  # fmt: skip

VALUES: dict[str, Wire] = {
    "predictions": Prediction(
        event_id="e1", model="m", model_version="7", time=datetime(2024, 5, 6, 7, 8, 9, 10_000, tzinfo=UTC),
        features=FEATURES, prediction=True, probabilities={"true": 0.75, "false": 0.25}, slices={"region": "EU"},
        risk=0.5, subject="p", consent=Consent(learn=False), content="picture", producer="shop",
    ),
    "labels": Label(event_id="e1", model="m", label=3, time=T0, purpose="score", source="erp"),
    "verdicts": Verdict(
        event_id="e1", model="m", time=T0, decision="review", reasons=("uncertain", "rule:x"), uncertainty=0.4,
        inclusion_probability=0.02, error_probability=0.3, audit=True, task_id="t", decided_at=T0 + 5,
    ),
    "verdicts.accepted": Verdict(
        event_id="e2", model="m", time=T0, decision="accept", reasons=("decided before",), uncertainty=0.4,
        inclusion_probability=0.02, decided_at=T0 + 5, correction_id="c", settled_label="yes",
    ),
    "rejects": Reject(
        original=b"\xff\x00{", reason="no JSON", field="$.a", role="intake", source_topic="predictions",
        source_partition=3, source_offset=9, source_key=b"\xfe", time=T0,
    ),
    "blocks": Block(
        block_id="b", model="m", partition=2, first_offset=1, last_offset=9, time_min=T0, time_max=T0 + 1, events=9,
        numeric={"confidence": NUMERIC}, categorical={"prediction": COUNTS}, decisions={"accept": 9}, sample=(SAMPLE,),
    ),
    "alerts": Alert(
        alert_id="a", model="m", signal="confidence", detector="ADWIN", severity="critical", state="firing", revision=0,
        fired_at=T0, fired_at_event=12, changed_at=T0, evidence={"shift": 2.5}, report_id="r",
    ),
    "review.events": Task(
        task_id="t", lane="audit", model="m", created_at=T0, due_at=T0 + 9, priority=0.7, reasons=("audit",),
        choices=("UP", "DOWN"), inclusion_probability=0.02, evidence=EVIDENCE,
    ),
    "review.alerts": Task(task_id="u", lane="alert", model="m", created_at=T0, due_at=T0, priority=1.0, alert_id="a"),
    "review.opinions": Opinion(
        opinion_id="o", task_id="t", model="m", person="ana", answer="UP", time=T0, seconds_spent=1.25, simulated=True
    ),
    "corrections": Correction(
        correction_id="c", model="m", event_id="e1", time=T0, created_at=T0 + 7, label="UP", source="review",
        features=FEATURES, prediction="DOWN", confidence=0.6, inclusion_probability=0.02, audit=True, reliability=0.9,
    ),
    "models": Manifest(
        model="m", version="v2", parent="v1", lineage=("v0", "v1"), recipe="forest", corrections=5, sha256="ab",
        size_bytes=10**12, created_at=T0, signature=b"\x01\xff",
    ),
    "gates": GateStep(
        model="m", gate="g", step=3, corrections=4, champion="v1", challenger="v2", log_evidence=-0.5,
        log_threshold=2.995732273553991, decision="promoted", time=T0,
    ),
    "references": Reference(
        model="m", version="r1", created_at=T0, time_min=T0, time_max=T0 + 1, events=100,
        numeric={"confidence": NORMAL}, categorical={"prediction": COUNTS}, sample=(SAMPLE,),
    ),
    "people": Person(person_id="ana", roles=("reviewer", "admin"), password_hash="$argon2id$x", changed_at=T0),
    "settings": Setting(setting_id="s", kind="policy", values={"budget": 0.1, "on": True, "who": "x"}, changed_at=T0),
    "audit": AuditEntry(sequence=1, time=T0, who="ana", what="sign-in", previous_hash="", hash="h", details={"a": "b"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(clickhouse: ClickHouseSettings) -> Iterator[Warehouse]:
    """One database for the whole file; each test marks its rows with a topic id of its own."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database="rows"))
    warehouse.install()
    yield warehouse
    warehouse.close()


def test_every_topic_has_a_table_or_a_reason() -> None:
    """All topics but those that RECORD leaves out are stored, and this file has a value of each."""
    names = {topic.name for topic in ALL_TOPICS}
    assert set(TABLE_OF_TOPIC) == names - {"model.chunks", "sign.outs", "triage.state"} == set(VALUES)
    with pytest.raises(UnsupportedTopic, match=r"model\.chunks"):
        table_of("model.chunks")


def plain(value: Any) -> Any:
    """What comes from ClickHouse, comparable with a row: times as epoch seconds, tuples as lists."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.servers
@pytest.mark.parametrize("topic", list(VALUES))
def test_round_trip(topic: str, warehouse: Warehouse) -> None:
    """Each column of each row comes back equal, with where it came from."""
    identity = Identity(f"id of {topic}", 3, 2**40, 2)
    rows = rows_of(topic, VALUES[topic], identity)
    warehouse.insert(table_of(topic), rows)
    stored = warehouse.query(
        f"SELECT * FROM {table_of(topic)} WHERE _topic_id = {{id:String}}", {"id": f"id of {topic}"}
    )
    assert len(stored) == len(rows) == 1
    for name, value in rows[0].items():
        assert plain(stored[0][name]) == plain(value), name
    assert (stored[0]["_topic_id"], stored[0]["_partition"], stored[0]["_offset"], stored[0]["_index"]) == (
        f"id of {topic}", 3, 2**40, 2,
    )  # fmt: skip
    assert stored[0]["_stored_at"].year >= 2024


def test_features_are_split_by_type() -> None:
    """Numbers and booleans are numbers, texts are texts, null is in neither."""
    assert split_features(FEATURES) == ({"n": 0.1, "i": 7.0, "yes": 1.0, "no": 0.0}, {}, {"s": FEATURES["s"]})


def test_what_needs_care() -> None:
    """Password hashes stay out, bytes survive as base64, labels become text, messages of many count their index."""
    assert "$argon2id" not in encode_rows(rows_of("people", VALUES["people"], Identity("t", 0, 0))).decode()
    reject = rows_of("rejects", VALUES["rejects"], Identity("t", 0, 0))[0]
    assert base64.b64decode(reject["original_base64"]) == b"\xff\x00{"
    assert rows_of("labels", VALUES["labels"], Identity("t", 0, 0))[0]["label"] == "3"
    prediction = rows_of("predictions", VALUES["predictions"], Identity("t", 0, 0))[0]
    assert (prediction["prediction"], prediction["confidence"]) == ("true", 0.75)
    many = rows_of("labels", [VALUES["labels"]] * 3, Identity("t", 0, 5))
    assert [(row["_offset"], row["_index"]) for row in many] == [(5, 0), (5, 1), (5, 2)]
    block = rows_of("blocks", VALUES["blocks"], Identity("t", 0, 0))[0]
    assert msgspec.json.decode(block["sample_json"], type=tuple[SampledRow, ...]) == (SAMPLE,)


@pytest.mark.servers
def test_originals_can_be_read_in_sql(warehouse: Warehouse) -> None:
    """The bytes of a reject are there for the analyst, as they arrived."""
    warehouse.insert("rejects", rows_of("rejects", VALUES["rejects"], Identity("sql", 0, 0)))
    asked = "SELECT hex(original) AS o, hex(source_key) AS k FROM rejects WHERE _topic_id = 'sql'"
    assert warehouse.as_analyst().query(asked) == [{"o": "FF007B", "k": "FE"}]


@pytest.mark.servers
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(times=st.lists(st.integers(0, 253_402_300_799_999), min_size=1, max_size=200))
def test_times_are_exact_to_the_millisecond(times: list[int], warehouse: Warehouse) -> None:
    """From 1970 to 9999, a time is stored as the millisecond it is, whichever way the server reads dates."""
    warehouse.command("TRUNCATE TABLE labels")
    label = VALUES["labels"]
    rows = [
        rows_of("labels", msgspec.structs.replace(label, time=time), Identity("t", 0, offset))[0]
        for offset, time in enumerate(times)
    ]
    warehouse.insert("labels", rows)
    stored = warehouse.query("SELECT toUnixTimestamp64Milli(time) AS ms FROM labels ORDER BY _offset")
    assert [row["ms"] for row in stored] == times


@pytest.mark.servers
def test_a_report_is_stored_whole(warehouse: Warehouse) -> None:
    """A page of four megabytes comes back as it was."""
    html = "<p>ü\n</p>" * 400_000
    text = json.dumps({"a": 1})
    row = report_row(report_id="r", alert_id="a", model="m", created_at=T0, json=text, html=html)
    warehouse.insert("reports", [row])
    stored = warehouse.query("SELECT json, html FROM reports WHERE report_id = 'r'")
    assert (stored[0]["json"], stored[0]["html"]) == (text, html)
