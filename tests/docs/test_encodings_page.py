"""docs/encodings.md: its examples run against a real Kafka and a real INTAKE, its bounds are those of the code."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from schemas.topics import REJECTS
from schemas.wire.prediction import Prediction
from streams.arrow.ipc import ARROW_BYTES_MAX
from streams.message_limits import MESSAGE_EVENTS_MAX_DEFAULT
from streams.predictions.arrow.stream import ARROW_CELLS_MAX
from streams.predictions.registry import BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN
from tests.support.docs.intake import intake_at_work, values, verdicts
from tests.support.paths import ROOT
from tests.support.program import environment
from tests.support.schema_registry import SchemaRegistry, serving
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.servers

TEXT = (ROOT / "docs" / "encodings.md").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITHOUT_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
"""A machine's proxy is not asked for its own addresses."""
KAFKA, REGISTRY = "127.0.0.1:9092", "http://127.0.0.1:8081"
ARROW, VERDICTS_READ, CLOUD_EVENTS, REGISTERED = BLOCK.findall(TEXT)


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistry]:
    """A registry that knows nothing yet."""
    made = SchemaRegistry()
    with serving(made):
        yield made


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, registry: SchemaRegistry) -> Iterator[str]:
    """A Kafka with the default prefix, and an INTAKE that works on it and knows the registry."""
    folder = tmp_path_factory.mktemp("encodings")
    with intake_at_work(folder, WATCHLOOP_KAFKA_REGISTRY_URL=registry.url, **WITHOUT_PROXY) as bootstrap:
        yield bootstrap


def run(text: str, folder: pathlib.Path, addresses: dict[str, str]) -> str:
    """What an example prints, in a checkout of the project; it must end well and complain of nothing."""
    for shown, real in addresses.items():
        assert shown in text
        text = text.replace(shown, real)
    (folder / "example.py").write_text(text)
    command = [sys.executable, str(folder / "example.py")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT), **WITHOUT_PROXY),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def has_verdicts(address: str, event_ids: set[str]) -> None:
    eventually(f"verdicts of {event_ids}", lambda: event_ids <= verdicts(address))
    assert values(address, REJECTS) == []


def test_arrow(address: str, tmp_path: pathlib.Path) -> None:
    """Every row of the example's data frame gets a verdict."""
    run(ARROW, tmp_path, {KAFKA: address})
    has_verdicts(address, {"arrow-0", "arrow-1", "arrow-2"})


def test_verdicts_as_arrow(address: str, tmp_path: pathlib.Path) -> None:
    """The verdicts on the rows of the data frame come as Arrow, and the example reads them."""
    run(ARROW, tmp_path, {KAFKA: address})
    has_verdicts(address, {"arrow-0", "arrow-1", "arrow-2"})
    said = run(VERDICTS_READ, tmp_path, {KAFKA: address})
    ids = re.findall(r"^(arrow-\d) (?:accept|review|escalate) .+$", said, re.MULTILINE)
    assert ids == ["arrow-0", "arrow-1", "arrow-2"]


def test_cloud_events(address: str, tmp_path: pathlib.Path) -> None:
    """Events of both modes get a verdict under the id that their attributes say."""
    run(CLOUD_EVENTS, tmp_path, {KAFKA: address})
    has_verdicts(address, {"call-4761", "call-4762"})


def test_schema_registry(address: str, registry: SchemaRegistry, tmp_path: pathlib.Path) -> None:
    """The example registers the project's schema; INTAKE asks for it, and judges the event."""
    run(REGISTERED, tmp_path, {KAFKA: address, REGISTRY: registry.url})
    has_verdicts(address, {"call-4771"})
    assert [schema["schema"] for schema in registry.schemas.values()] == [
        (ROOT / "schemas" / "json" / "predictions.json").read_text()
    ]
    assert registry.asked.count("GET /schemas/ids/1") >= 1


def test_bounds_are_those_of_the_code() -> None:
    """The page says of Arrow messages, and of a registry that is away, what holds."""
    assert f"{MESSAGE_EVENTS_MAX_DEFAULT:,} rows, {ARROW_CELLS_MAX:,} cells" in TEXT
    assert f"{ARROW_BYTES_MAX // 1024**2} MiB once unpacked" in TEXT
    assert f"after {BACK_OFF_SECONDS_MIN:g} s, later after up to {BACK_OFF_SECONDS_MAX:g} s" in TEXT


def test_every_field_has_a_row() -> None:
    """The table of Arrow columns names each field of a prediction once."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (?:yes|no|one of the two) \|", TEXT, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(Prediction.__struct_fields__)
