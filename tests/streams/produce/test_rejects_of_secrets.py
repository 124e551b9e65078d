"""Clients of the plain address may read rejects, which therefore contain nothing that these may not read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.json_text.errors import MalformedError
from schemas.topics import ALL_TOPICS, PEOPLE, Topic
from schemas.wire.reject import Reject
from streams.admin.access import ANONYMOUS, RIGHTS
from streams.produce.rejects import REJECT_BYTES_MAX, REJECTS_APART_MAX, ElementRejects, Rejecter, reject_of
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord

RECORD = Rejecter(PREFIX, "record", now_ms=1)
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA"
SECRET_NAME = re.compile("password|token|secret|session|personal")
SECRET_TOPICS = [topic for topic in ALL_TOPICS if topic.secret]


class Whole:
    """Elements that are each the whole message."""

    def element(self, index: int) -> bytes:
        return f"{HASH}{index}".encode()

    def elements(self, indexes: Sequence[int]) -> bytes:
        return HASH.encode() * len(indexes)


def fields_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from fields_of(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from fields_of(part)


def test_topics_with_secrets_are_marked_and_closed() -> None:
    """By the names of their fields; the plain address reads none of them, and writes none."""
    plain = RIGHTS[ANONYMOUS]
    named = {
        topic.name
        for topic in ALL_TOPICS
        if topic.value is not None and holds_secrets(msgspec.json.schema(topic.value))
    }
    assert named <= {topic.name for topic in SECRET_TOPICS}
    assert {"people", "sign.outs"} <= named
    assert not [topic for topic in SECRET_TOPICS if topic in plain.reads or topic in plain.writes]


def holds_secrets(schema: Any) -> bool:
    return any(SECRET_NAME.search(name) for name in fields_of(schema))


@pytest.mark.parametrize("topic", SECRET_TOPICS, ids=lambda topic: topic.name)
@pytest.mark.parametrize("size", [1, REJECT_BYTES_MAX])
def test_a_reject_of_a_secret_topic_bears_nothing_of_it(topic: Topic, size: int) -> None:
    """Neither bytes, reason nor key of a message or of elements reveal a secret; length and hash identify it."""
    value = HASH.encode() * (size // len(HASH) + 1)
    record = PlainRecord(value, name=topic.name, key_bytes=b"ada")
    reason = f"Expected `str` of length <= 200, got {HASH} - at `$.name`"
    reject = reject_of(record, MalformedError(reason, "$.name"), RECORD)
    assert (reject.original, reject.source_key) == (b"", b"")
    assert (reject.field, reject.source_topic) == ("$.name", topic.name)
    assert (reject.original_length, reject.original_sha256) == (len(value), hashlib.sha256(value).hexdigest())
    assert b"argon2id" not in encode(reject)
    assert "$.name" in reject.reason
    elements = ElementRejects(record, Whole(), RECORD)
    for index in range(REJECTS_APART_MAX + 3):
        elements.refuse(index, MalformedError(f"ClickHouse: {HASH}", ""))
    told = CollectingOutbox()
    for refused in elements.rejects():
        told.send(PEOPLE, "", refused)
    assert len(told.sent) == REJECTS_APART_MAX + 1
    assert all(isinstance(sent, Reject) and sent.original == sent.source_key == b"" for _, _, sent in told.sent)
    assert not any(b"argon2id" in encode(sent) for _, _, sent in told.sent)  # type: ignore[arg-type]


def test_a_reject_of_another_topic_keeps_its_bytes() -> None:
    """What producers wrote comes back to them byte for byte."""
    reject = reject_of(PlainRecord(b"{", name="labels"), MalformedError("truncated"), RECORD)
    assert (reject.original, reject.source_key) == (b"{", b"key")
    assert (reject.reason, reject.original_length) == ("truncated", None)
