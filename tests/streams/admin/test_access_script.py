"""deploy/kafka-acls.sh grants exactly the rights of the table on another Kafka."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from streams.admin.access import USERS, Grant, grants_of
from streams.admin.access_script import OPERATIONS, OPTIONS, SCRIPT, access_script

RECORDER = """\
#!{python}
import json, sys
with open({file!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""


def test_the_file_is_the_table() -> None:
    """After a change of the table, `python -m streams.admin.access_script` writes it again."""
    assert SCRIPT.read_text() == access_script()
    assert os.access(SCRIPT, os.X_OK)


@pytest.fixture
def commands(tmp_path: pathlib.Path) -> list[list[str]]:
    """The arguments of every kafka-acls.sh that the script runs."""
    recorder, said = tmp_path / "kafka-acls", tmp_path / "said"
    recorder.write_text(RECORDER.format(python=sys.executable, file=str(said)))
    recorder.chmod(0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "KAFKA_ACLS": str(recorder),
        "BOOTSTRAP": "broker:9092",
        "COMMAND_CONFIG": "admin.properties",
        "PREFIX": "mine.",
        "USERS": "of-mine-",
    }
    subprocess.run(["sh", str(SCRIPT)], check=True, env=environment, capture_output=True)
    return [json.loads(line) for line in said.read_text().splitlines()]


def grants_in(command: list[str]) -> set[Grant]:
    """The grants of one command."""
    options = dict(itertools.pairwise(command))
    resource = next(name for name, option in OPTIONS.items() if option in command)
    names = [value for option, value in itertools.pairwise(command) if option == OPTIONS[resource]]
    operation = next(ours for ours, theirs in OPERATIONS.items() if theirs == options["--operation"])
    user = options["--allow-principal"].removeprefix("User:of-mine-")
    prefixed = options["--resource-pattern-type"] == "prefixed"
    return {Grant(user, resource, name, operation, prefixed) for name in names}


def test_running_it_grants_the_table(commands: list[list[str]]) -> None:
    """It has every grant of every user; groups of producers have a prefix, so nothing is denied."""
    granted = {grant for command in commands for grant in grants_in(command)}
    producers = Grant("producer", "group", "producers.", "read", prefixed=True)
    table = {grant for grant in grants_of(USERS, "mine.") if grant.allowed and grant.name != "*"}
    assert granted == table | {producers}
    for command in commands:
        assert command[:4] == ["--bootstrap-server", "broker:9092", "--command-config", "admin.properties"]
        assert "--add" in command


def test_it_names_what_it_needs() -> None:
    """Without an address no command runs."""
    answer = subprocess.run(
        ["sh", str(SCRIPT)], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert answer.returncode != 0
    assert "BOOTSTRAP" in answer.stderr
