"""Every Reject says what was sent and what is expected, for the person who has to repair the producer."""

from __future__ import annotations

import decimal
import gzip
import json
import re
from typing import Any

import pyarrow as pa
import pytest

from schemas.json_text.errors import MalformedError
from streams.message_limits import MessageLimits
from streams.predictions.label_reader import label_of
from streams.predictions.message_reader import read_predictions
from streams.produce.rejects import REASON_CHARS_MAX
from tests.support.arrow_rows import ARROW_HEADERS, arrow_of, stream_of, table_of
from tests.support.plain_record import PREFIX, PlainRecord

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
SAID_MAX = 420
DECODERS = re.compile(r"`(str|int|float|bool|array|null)|Invalid enum|RFC3339")
RIGHT = re.compile(r"expected|give `confidence`|neither a JSON object nor an array|no JSON object|JSON is malformed")
STREAM = ARROW_HEADERS
ENVELOPE: list[tuple[str, bytes | None]] = [("content-type", b"application/cloudevents+json")]

BASE: dict[str, Any] = {
    "event_id": "e-1",
    "model": "churn",
    "time": NOW_MS,
    "features": {"age": 41.5, "plan": "gold"},
    "prediction": "stay",
    "confidence": 0.875,
}
LABEL: dict[str, Any] = {"event_id": "e-1", "model": "churn", "label": "go", "time": NOW_MS}


def changed(base: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (base | changes).items() if value is not ...}).encode()


def column(name: str, array: pa.Array) -> bytes:
    table = table_of([BASE])
    index = table.schema.get_field_index(name)
    return stream_of(table.set_column(index, name, array) if index >= 0 else table.append_column(name, array))


def reasons(data: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> list[tuple[str, str]]:
    """Field and reason of each Reject of a message."""
    record = PlainRecord(data, header_list=headers)
    arrivals = read_predictions([record], PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS)
    assert arrivals.events == []
    return [(reject.field, reject.reason) for reject in arrivals.rejects]


def refused_label(data: bytes) -> tuple[str, str]:
    with pytest.raises(MalformedError) as caught:
        label_of(PlainRecord(data, name="labels"), MessageLimits(), DAY_MS)
    return caught.value.field, caught.value.reason


WHOLE = changed(BASE)
DECIMAL = pa.array([decimal.Decimal("0.50")], pa.decimal128(5, 2))

FIELDS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"event_id": ...}, "$.event_id", "`event_id`; expected a text of 1 to 200 characters; there are `model`, `time`,"),
    ({"event_id": 17}, "$.event_id", "got 17; expected a text of 1 to 200 characters: a text stands in quotes"),
    ({"event_id": ""}, "$.event_id", 'got ""; expected a text of 1 to 200'),
    ({"event_id": "x" * 201}, "$.event_id", 'xxx… (201 characters); expected a text of 1 to 200'),
    ({"model": None}, "$.model", "got null; expected a text"),
    ({"time": ...}, "$.time", "`time`; expected RFC 3339 with an offset"),
    ({"time": "2026-10-01T08:00:00"}, "$.time", 'got "2026-10-01T08:00:00"; expected RFC 3339 with an offset'),
    ({"time": str(NOW_MS)}, "$.time", "or whole epoch milliseconds: a number without quotes"),
    ({"time": NOW_MS * 1_000}, "$.time", f"got {NOW_MS * 1_000}, which looks like microseconds; expected RFC 3339"),
    ({"time": True}, "$.time", "got true; expected RFC 3339"),
    ({"time": -5}, "$.time", "got -5; expected"),
    ({"features": [1, 2]}, "$.features", "got [1, 2]; expected an object"),
    ({"features": "{}"}, "$.features", "the object itself, not its JSON as a text"),
    ({"features": {"home": {"city": "Ulm"}}}, "$.features.home", 'got {"city": "Ulm"}; expected a number, text, true'),
    ({"features": {"a.b": [1]}}, "$.features.a.b", "got [1]; expected a number"),
    ({"features": {f"f{n}": 1 for n in range(1_001)}}, "$.features", "(1001 entries); expected an object of at most"),
    ({"features": {"": 1}}, "$.features", "got the name '' of 0 characters; expected 1 to 200"),
    ({"features": {"x" * 201: 1}}, "$.features", "of 201 characters; expected 1 to 200"),
    ({"prediction": 1.0}, "$.prediction", "got 1.0; expected a label: a text of 1 to 200 characters, an integer, true"),
    ({"prediction": {"stay": 0.5}}, "$.prediction", "the label alone, the other fields beside it"),
    ({"prediction": ""}, "$.prediction", "is an empty text; expected the label"),
    ({"confidence": ...}, "$.confidence", "give `confidence` in [0, 1] or `probabilities` {label: p}"),
    ({"confidence": 62}, "$.confidence", "got 62; expected a number from 0 to 1"),
    ({"confidence": 62}, "$.confidence", "a percentage is written as a share, 62 % as 0.62"),
    ({"confidence": "0.5"}, "$.confidence", 'got "0.5"; expected a number from 0 to 1'),
    ({"confidence": -1}, "$.confidence", "one down to -0.0001 as 0"),
    ({"risk": [1]}, "$.risk", "got [1]; expected a number from 0 to 1"),
    ({"probabilities": [0.5]}, "$.probabilities", "got [0.5]; expected an object of 1 to 1000 labels"),
    ({"probabilities": {}}, "$.probabilities", "got {}; expected an object of 1 to 1000 labels"),
    ({"probabilities": {"stay": 62, "go": 38}}, "$.probabilities.stay", "62 % as 0.62"),
    ({"probabilities": {"stay": "1"}}, "$.probabilities.stay", 'got "1"; expected a number'),
    ({"probabilities": {"Stay": 1.0}}, "$.probabilities", "label 'stay'; expected it among 'Stay'"),
    ({"probabilities": {"stay": 0.5}}, "$.probabilities", "sum to 0.5, expected 1"),
    ({"slices": ["EU"]}, "$.slices", 'got ["EU"]; expected an object of at most 50 names'),
    ({"slices": {"tier": 3}}, "$.slices.tier", "got 3; expected a text of at most 200 characters, or null: a text"),
    ({"consent": True}, "$.consent", 'got true; expected an object such as {"review": true, "learn": false}'),
    ({"consent": {"learn": "no"}}, "$.consent.learn", 'got "no"; expected true, false or null'),
    ({"content": {"a": 1}}, "$.content", "expected a text of at most 100,000 characters"),
    ({"model_version": 1.2}, "$.model_version", "got 1.2; expected a text"),
    ({"subject": 5}, "$.subject", "got 5; expected a text"),
)  # fmt: skip

MESSAGES: dict[str, tuple[bytes, list[tuple[str, bytes | None]] | None, str]] = {
    "cut": (WHOLE[:57], None, "truncated: it ends after 57 bytes"),
    "cut array": (b"[" + WHOLE + b"," + WHOLE[:30], None, f"truncated: it ends after {len(WHOLE) + 32} bytes"),
    "cut number": (b'{"confidence":0.', None, "truncated: it ends after 16 bytes"),
    "two": (WHOLE + b"\n" + WHOLE, None, f"more behind the JSON (byte {len(WHOLE) + 1})"),
    "quotes": (str(BASE).encode(), None, "JSON has double quotes"),
    "NaN": (WHOLE.replace(b"0.875", b"NaN"), None, "JSON has neither NaN nor infinities"),
    "huge": (WHOLE.replace(b"41.5", b"1e999"), None, "got 1e999; expected a number that a double holds"),
    "Latin": ('{"event_id":"é"}'.encode("latin-1"), None, "not UTF-8: 0xe9 (byte 13); expected UTF-8"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), None, "is UTF-16; expected UTF-8"),
    "mark": (b"\xef\xbb\xbf" + WHOLE, None, "byte order mark; expected UTF-8 without it"),
    "gzip": (gzip.compress(WHOLE), None, "compressed with gzip; expected it uncompressed"),
    "zstd": (b"\x28\xb5\x2f\xfdx", None, "compressed with zstd; expected it uncompressed"),
    "twice": (json.dumps(WHOLE.decode()).encode(), None, "is a text in JSON; expected the object itself"),
    "Parquet": (b"PAR1x", None, "is a Parquet file; expected JSON or an Arrow IPC stream"),
    "Avro behind a prefix": (b"\0\0\0\0\7\2\6abc", None, "behind the prefix of schema 7"),
    "no header": (arrow_of([BASE]), None, "is an Arrow stream; expected the header content-type"),
    "no envelope": (changed({"specversion": "1.0", "data": BASE}), None, "application/cloudevents+json"),
    "a list by name": (changed({"predictions": [BASE]}), None, "there are `predictions`"),
    "in an envelope": (changed({"data": BASE | {"confidence": 62}}), ENVELOPE, "62 % as 0.62 - at `$.data.confidence`"),
    "time of a header": (changed(BASE, time=...), [("ce_time", b"noon")], "got 'noon'; expected RFC 3339"),
    "JSON as a stream": (WHOLE, STREAM, "the message is JSON; expected it without this header, or a stream"),
    "file": (b"ARROW1\0\0" + arrow_of([BASE]), STREAM, "is an Arrow file; expected an Arrow IPC stream"),
    "Feather": (b"FEA1x", STREAM, "is a Feather file"),
    "no stream": (b"", STREAM, "the message is empty; expected what pyarrow.ipc.new_stream writes"),
    "cut stream": (arrow_of([BASE])[:-60], STREAM, f"truncated after {len(arrow_of([BASE])) - 60} bytes"),
    "no column": (stream_of(table_of([BASE]).drop_columns(["model"])), STREAM, "no column `model`; expected a text"),
    "Decimal": (column("confidence", DECIMAL), STREAM, "decimal128(5, 2); expected numbers: cast it to double"),
    "Decimal feature": (
        column("features", pa.StructArray.from_arrays([DECIMAL], ["fee"])), STREAM, "double - at `$.features.fee`",
    ),
    "whole floats": (column("prediction", pa.array([1.0])), STREAM, "cast it to int64, or to string where"),
    "no zone": (column("time", pa.array([NOW_MS], pa.timestamp("ms"))), STREAM, "name its zone"),
    "time as text": (column("time", pa.array(["2026-10-01"])), STREAM, 'cast it to timestamp("ms", "UTC")'),
    "number as id": (column("event_id", pa.array([1])), STREAM, "cast it to string"),
    "nested": (column("features", pa.array([{"a": {"b": 1}}])), STREAM, "one field for each value"),
    "row": (column("confidence", pa.array([62.0])), STREAM, "got 62.0; expected a number from 0 to 1"),
    "null in a row": (column("model", pa.array([None], pa.string())), STREAM, "`model`; expected a text of 1 to 200"),
}  # fmt: skip

LABELS: dict[str, tuple[bytes, str, str]] = {
    "array": (b"[" + changed(LABEL) + b"]", "", "the message is an array; expected one object a message"),
    "cut": (changed(LABEL)[:40], "", "truncated: it ends after 40 bytes"),
    "empty": (b"", "", "no JSON object: the message is empty"),
    "text": (b"go", "", "no JSON object: the message begins with 'go'"),
    "prefix": (b"\0\0\0\0\7" + changed(LABEL), "", "expected JSON without the registry's prefix"),
    "purpose": (changed(LABEL, purpose="train"), "$.purpose", 'got "train"; expected "learn", "score" or null'),
    "float": (changed(LABEL, label=1.0), "$.label", "got 1.0; expected a label"),
    "list": (changed(LABEL, label=["go"]), "$.label", 'got ["go"]; expected a label'),
    "none": (changed(LABEL, label=..., prediction="go"), "$.label", "are `event_id`, `model`, `time`, `prediction`"),
    "time": (changed(LABEL, time="noon"), "$.time", 'got "noon"; expected RFC 3339'),
    "source": (changed(LABEL, source=3), "$.source", "got 3; expected a text"),
}  # fmt: skip


def holds(field: str, reason: str) -> None:
    """Checks that hold for every reason."""
    assert RIGHT.search(reason), reason
    assert not DECODERS.search(reason), reason
    assert reason.isprintable()
    assert len(reason) <= SAID_MAX < REASON_CHARS_MAX
    assert field == "" or f"`{field}`" in reason or f"`{field.removeprefix('$.')}`" in reason


@pytest.mark.parametrize(("changes", "field", "says"), FIELDS)
def test_a_wrong_field_says_what_came_and_what_would_be_right(changes: dict[str, Any], field: str, says: str) -> None:
    """Alone and in an array alike."""
    data = changed(BASE, **changes)
    for message in (data, b"[" + data + b"]"):
        ((named, reason),) = reasons(message)
        assert named == field
        assert says in reason
        holds(named, reason)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_wrong_message_says_what_it_is_and_what_would_be_right(name: str) -> None:
    """Bytes of another format, or truncated ones, with any header."""
    data, headers, says = MESSAGES[name]
    ((named, reason),) = reasons(data, headers)
    assert says in reason
    holds(named, reason)


@pytest.mark.parametrize("name", LABELS)
def test_a_wrong_label_says_the_same(name: str) -> None:
    """A label is read by the same rules, one a message."""
    data, field, says = LABELS[name]
    named, reason = refused_label(data)
    assert named == field
    assert says in reason
    holds(named, reason)
