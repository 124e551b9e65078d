"""Runs of commands, above all of those that are expected to end with one line on stderr and exit code 2."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Mapping, Sequence

from click.testing import Result
from typer.testing import CliRunner

from tests.support.program import processes_of, run_command
from watchloop.cli.main import app
from watchloop.processes.folder import DataFolder

LINE_CHARS_MAX = 1_200


def one_line(*arguments: str, data: pathlib.Path, apart: bool = False, **variables: str) -> str:
    """The one line that a command prints before it ends with exit code 2 and leaves nothing behind.

    ``apart`` runs it in a process of its own, as commands are that start servers.
    """
    given = (*arguments, "--data", str(data))
    code, out, err = (run_apart if apart else run_here)(given, data.parent, variables)
    assert code == 2, f"exit code {code}\n{out}\n{err}"
    assert "Traceback" not in err + out
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert len(lines[0]) < LINE_CHARS_MAX
    assert lines[0].startswith("watchloop: ")
    if apart:
        assert processes_of(data) == {}
    assert not (data / "endpoints.json").exists()
    if data.is_dir():
        assert not DataFolder(data).is_owned()
    return lines[0]


def invoke(*arguments: str, text: str | None = None, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a command in this process, with ``text`` on its stdin; raises what is no orderly exit."""
    answer = CliRunner().invoke(app, list(arguments), input=text, env=env)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer


def run_apart(arguments: Sequence[str], cwd: pathlib.Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command in a process of its own."""
    answer = run_command(*arguments, cwd=cwd, **variables)
    return answer.returncode, answer.stdout, answer.stderr


def run_here(arguments: Sequence[str], cwd: pathlib.Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command in this process, which saves the imports."""
    cleared = {name: None for name in os.environ if name.startswith("WATCHLOOP_")}
    with contextlib.chdir(cwd):
        answer = invoke(*arguments, env={**cleared, **variables})
    return answer.exit_code, answer.stdout, answer.stderr
