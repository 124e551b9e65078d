"""What was ever published must decode forever."""

import json

import msgspec
import pytest

from schemas.codec import decode, encode
from schemas.export import FOLDER, json_schemas
from schemas.topics import ALL_TOPICS
from tests.support.paths import GOLDEN

VALUES = {topic.name: topic.value for topic in ALL_TOPICS if topic.value is not None}


def samples():
    return sorted(GOLDEN.glob("*.json"))


def test_every_topic_has_a_sample():
    """A topic without a golden sample could change its meaning unnoticed."""
    assert {path.name.rsplit(".v", 1)[0] for path in samples()} == set(VALUES)


def holds(kept, told):
    """Whether all that was told is kept, at every depth; a field that is newer than the sample may stand beside it."""
    if isinstance(told, dict):
        return isinstance(kept, dict) and all(name in kept and holds(kept[name], told[name]) for name in told)
    if isinstance(told, list):
        return isinstance(kept, list) and len(kept) == len(told) and all(map(holds, kept, told))
    return type(kept) is type(told) and kept == told


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_a_published_sample_decodes_forever(path):
    """Every field of a sample of any version is still known and keeps its value."""
    struct = VALUES[path.name.rsplit(".v", 1)[0]]
    told = json.loads(path.read_text())
    value = decode(struct, path.read_bytes())
    kept = json.loads(encode(value))
    assert holds(kept, told)
    assert decode(struct, encode(value)) == value


@pytest.mark.parametrize("topic", [topic for topic in ALL_TOPICS if topic.value], ids=lambda topic: topic.name)
def test_unknown_fields_are_ignored(topic):
    """A newer producer may say more than this reader knows."""
    path = next(path for path in samples() if path.name.rsplit(".v", 1)[0] == topic.name)
    told = json.loads(path.read_text()) | {"a_field_of_the_future": {"deep": [1]}}
    assert decode(topic.value, json.dumps(told).encode()) == decode(topic.value, path.read_bytes())


def test_the_exported_json_schemas_are_up_to_date():
    """schemas/json/ is what the Structs say; `python -m schemas.export` writes it."""
    written = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert written == json.loads(json.dumps(json_schemas()))


def test_new_fields_have_defaults():
    """A reader of today can read what was written before a field existed: required fields are those of version 1."""
    required = {
        name: sorted(field.name for field in msgspec.structs.fields(struct) if field.required)
        for name, struct in VALUES.items()
    }
    for path in samples():
        if path.name.endswith(".v1.json"):
            name = path.name.removesuffix(".v1.json")
            assert set(required[name]) <= set(json.loads(path.read_text())), name
