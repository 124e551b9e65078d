"""What the README shows is accepted by the program: commands, messages, queries, links."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
import shlex

import msgspec
import pytest

from schemas.codec import decode
from schemas.columns.wire_rows import VERDICT_ROWS, encoded_verdicts
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction, problem_of
from schemas.wire.verdict import Verdict
from tests.support.docs.command_line import parse
from tests.support.paths import ROOT
from watchloop.cli.main import app

TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
IMAGE_BYTES_MAX = 200_000


def blocks(language):
    """The code blocks of one language."""
    return [body for marked, body in BLOCK.findall(TEXT) if marked == language]


def commands():
    """Every line of the shell blocks that calls watchloop, as arguments."""
    lines = [line for body in blocks("sh") for line in body.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("watchloop ")]


def queries():
    return [arguments[1] for arguments in commands() if arguments[0] == "query"]


@pytest.mark.parametrize("arguments", commands(), ids=lambda arguments: " ".join(arguments)[:40])
def test_commands_are_understood(arguments):
    """The command line takes each shown command, without running it."""
    parse(app, arguments)


def test_inline_commands_are_understood():
    """So does it with those within a sentence."""
    shown = re.findall(r"`watchloop ((?:up|worker|check|users|query|replay)[^`…]*)`", TEXT)
    assert len(shown) >= 3
    for line in shown:
        arguments = shlex.split(line)
        missing = {"users": ["ada", "--role", "reviewer"], "query": ["SELECT 1"]}.get(arguments[0], [])
        parse(app, arguments if set(missing) & set(arguments) else [*arguments, *missing])


def test_python_is_python_and_its_prediction_is_accepted():
    """The blocks compile; the message of the first one is a Prediction without a problem."""
    first, *rest = [ast.parse(body) for body in blocks("python")]
    assert rest
    (message,) = (
        node.value for node in first.body if isinstance(node, ast.Assign) and node.targets[0].id == "prediction"
    )
    values = {
        key.value: 1_795_424_517_230 if key.value == "time" else ast.literal_eval(value)
        for key, value in zip(message.keys, message.values, strict=True)
    }
    assert problem_of(decode(Prediction, json.dumps(values).encode())) is None


def test_shown_verdict_and_label_are_what_travels():
    """The verdict is what INTAKE sends, its defaults left out and named below; the shell block's label decodes."""
    (text,) = blocks("json")
    shown = decode(Verdict, text.encode())
    fields = msgspec.to_builtins(shown)
    rows = VERDICT_ROWS.make(1, constant=fields, columns={})
    assert json.loads(next(iter(encoded_verdicts(rows, 1)))) == [json.loads(text)]
    left_out = set(fields) - set(json.loads(text))
    assert left_out == {name for name in left_out if f"`{name}`" in TEXT}
    (label,) = re.findall(r'echo "(\{.*\})"', TEXT)
    decode(Label, label.replace("\\", "").replace("$(date +%s)000", "1795424517230").encode())


def test_no_example_is_from_the_future():
    """What a reader sends as it is shown bears no fixed time that is still to come: it would be rejected."""
    times = [text for page in PAGES for _, body in BLOCK.findall(page.read_text()) for text in TIME.findall(body)]
    now = dt.datetime.now(dt.UTC)
    assert times
    assert [text for text in times if dt.datetime.fromisoformat(text) > now] == []


@pytest.mark.servers
def test_queries_run(warehouse):
    """Each shown query is answered with the columns that are shown below it."""
    for sql in queries():
        columns = json.loads(warehouse.raw(sql, "JSONCompact"))["meta"]
        header = "┃ " + " ┃ ".join(column["name"] for column in columns)
        assert re.search(r"\s*┃ ".join(map(re.escape, header.split(" ┃ "))), TEXT), header
    assert len(queries()) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link of every page names a file or a folder; images are small."""
    for target in LINK.findall(page.read_text()):
        if not target.startswith("http"):
            linked = page.parent / target
            assert linked.exists(), target
            assert linked.suffix != ".png" or linked.stat().st_size < IMAGE_BYTES_MAX, target
