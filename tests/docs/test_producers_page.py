"""docs/producers.md: its tables are those of the code, its examples run against a real Kafka and a real INTAKE."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from embedded.kafka.java import resolve_jars
from schemas.codec import decode
from schemas.topics import LABELS, PREDICTIONS, REJECTS, VERDICTS
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction, problem_of
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings, ProducerSettings, VerdictReaderSettings
from tests.support.docs.generated import fields, settings_table
from tests.support.docs.intake import intake_at_work, values
from tests.support.paths import ROOT
from tests.support.program import environment
from tests.support.waiting import PATIENCE_SECONDS, eventually

TEXT = (ROOT / "docs" / "producers.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:9092"
JAVA_WAIT = '"max.block.ms", 10_000'
HELPER, PLAIN, REJECTS_READ = (body for language, body in BLOCK.findall(TEXT) if language == "python")
(JAVA,) = (body for language, body in BLOCK.findall(TEXT) if language == "java")


def shell(command: str) -> str:
    """The shell block that uses a command."""
    (line,) = (
        body for language, body in BLOCK.findall(TEXT) if language == "sh" and re.search(rf"\b{command} -", body)
    )
    return line


def section(heading: str) -> str:
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("heading", "struct"),
    [("A prediction", Prediction), ("A verdict", Verdict), ("Late labels", Label), ("Rejects", Reject)],
)
def test_fields_are_those_that_travel(heading, struct):
    """Each table has every field, in order, with its default."""
    rows = re.findall(r"^\| (`\w+`) \| (.+?) \|", section(heading), re.MULTILINE)
    assert rows == fields(struct)


@pytest.mark.parametrize("struct", [ProducerSettings, VerdictReaderSettings])
def test_settings_are_those_of_the_helper(struct):
    """Each setting has its default, its bounds and its meaning."""
    assert settings_table(struct) in TEXT


def test_installed_packages_are_named():
    """The page warns of every top-level package that comes with the helper and that the helper does not import."""
    (sentence,) = re.findall(r"installs top-level packages called (.+?),\s+which", TEXT, re.DOTALL)
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)`", sentence)) == rooms - {"schemas", "streams"}


@pytest.mark.servers
def test_what_people_decide_can_be_asked_for(warehouse):
    """The query for a held-back answer runs as `analyst`, and knows no row of a task that is not stored."""
    (query,) = (body for language, body in BLOCK.findall(TEXT) if language == "sql")
    assert warehouse.as_analyst().query(query, {"task_id": "t-1"}) == []


def test_curl_message_is_a_prediction():
    """What the REST proxy would put into Kafka decodes, under the key that it should have."""
    (body,) = re.findall(r"-d '(\{\"records\".*?)'", shell("curl"), re.DOTALL)
    (record,) = json.loads(body)["records"]
    prediction = decode(Prediction, json.dumps(record["value"]).encode())
    assert problem_of(prediction) is None
    assert record["key"] == prediction.event_id


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka with the default prefix, and an INTAKE that works on it."""
    with intake_at_work(tmp_path_factory.mktemp("producers")) as bootstrap:
        yield bootstrap


def run(command: list[str], folder: pathlib.Path, **more: str) -> str:
    """What a program says on its output; it must end well and complain of nothing."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    # A newer Java warns of what libraries do, and tells which options it is given; that is not the example's.
    notes = ("WARNING: ", "NOTE: Picked up ")
    complaints = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(notes)]
    assert (done.returncode, complaints) == (0, []), done.stdout + done.stderr
    return done.stdout


def run_python(text: str, address: str, folder: pathlib.Path) -> str:
    assert ADDRESS in text
    (folder / "example.py").write_text(text.replace(ADDRESS, address))
    return run([sys.executable, "example.py"], folder, PYTHONPATH=str(ROOT))


def has_verdict(output: str, event_id: str) -> bool:
    return re.search(rf"^{event_id} (accept|review|escalate) ", output, re.MULTILINE) is not None


@pytest.mark.servers
def test_helper_example(address, tmp_path):
    """It sends, is refused the wrong event, counts, and reads verdicts; nothing of it is rejected."""
    said = run_python(HELPER, address, tmp_path)
    assert (
        "prediction 'call-4720': got 1.2; expected a number from 0 to 1 (a rounding up to 1.02 is taken as 1,"
        " one down to -0.0001 as 0), or null - at `$.confidence`" in said
    )
    assert "Counts(delivered=10, failed=0, dropped=0, buffered=0)" in said
    assert has_verdict(said, r"call-47\d\d")
    assert b"call-4711" in b"".join(values(address, LABELS))
    assert b"call-47" not in b"".join(values(address, REJECTS))


@pytest.mark.servers
def test_plain_python_example(address, tmp_path):
    """Prediction and label arrive as they should be, and the verdict comes back."""
    said = run_python(PLAIN, address, tmp_path)
    assert has_verdict(said, "call-4721")
    assert "lost" not in said
    (label,) = [value for value in values(address, LABELS) if b"call-4721" in value]
    assert decode(Label, label).label == "leaves"


@pytest.mark.servers
def test_rejects_example(address, tmp_path):
    """It shows the bytes and the field of what INTAKE could not read."""
    outbox = Outbox(KafkaSettings(bootstrap=address))
    outbox.send(PREDICTIONS, "wrong", b'{"event_id": "wrong", "model": "churn"}')
    outbox.flush()
    said = run_python(REJECTS_READ, address, tmp_path)
    assert said.splitlines() == [
        "predictions $.time Object missing required field `time`; expected RFC 3339 with an offset, such as"
        " 2026-10-01T08:00:00Z, or whole epoch milliseconds; there are `event_id`, `model`",
        'b\'{"event_id": "wrong", "model": "churn"}\'',
    ]


def java_with_compiler() -> str | None:
    """A `java` that runs a source file, None where there is none."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate is not None and pathlib.Path(candidate).is_file():
            modules = subprocess.run([candidate, "--list-modules"], capture_output=True, text=True, check=False)
            if "jdk.compiler" in modules.stdout:
                return candidate
    return None


@pytest.mark.servers
def test_java_example(address, tmp_path):
    """The class runs as it stands on the page, with Kafka's own jars, and with patience for a loaded broker."""
    java = java_with_compiler()
    if java is None:
        pytest.skip("needs a JDK, which runs a source file: java with the module jdk.compiler, on PATH or in JAVA_HOME")
    assert ADDRESS in JAVA
    assert JAVA_WAIT in JAVA
    patient = JAVA.replace(JAVA_WAIT, f'"max.block.ms", {int(PATIENCE_SECONDS)}_000')
    (tmp_path / "Main.java").write_text(patient.replace(ADDRESS, address))
    class_path = os.pathsep.join(map(str, resolve_jars()))
    said = run([java, "-cp", class_path, "Main.java"], tmp_path)
    assert has_verdict(said, "call-4731")
    assert b"call-4731" in b"".join(values(address, LABELS))


@pytest.mark.servers
def test_kcat_example(address, tmp_path):
    """The lines run as they stand on the page; the message that they send gets its verdict."""
    if shutil.which("kcat") is None:
        pytest.skip("needs kcat: apt install kcat")
    text = shell("kcat")
    assert ADDRESS in text
    said = run(["bash", "-euo", "pipefail", "-c", text.replace(ADDRESS, address)], tmp_path)
    assert '"event_id":"first"' in said, "verdicts that were there"
    (prediction,) = [value for value in values(address, PREDICTIONS) if b"call-4741" in value]
    assert problem_of(decode(Prediction, prediction)) is None
    eventually("its verdict", lambda: b"call-4741" in b"".join(values(address, VERDICTS)))
