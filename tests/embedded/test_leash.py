"""The leash: no child process outlives its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from embedded import leash
from embedded.leash import spawn, stop
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, eventually

BOTH_WAYS = pytest.mark.parametrize(
    "pipe",
    [
        pytest.param(False, marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PDEATHSIG")),
        True,
    ],
)

# Notes its own process id, then that it was asked, and leaves. A handler could miss what comes just before it sleeps.
POLITE = """
import pathlib, os, signal, sys
folder = pathlib.Path(sys.argv[1])
signal.alarm(60)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
(folder / "new").write_text(str(os.getpid()))
(folder / "new").rename(folder / "pid")
signal.sigwait([signal.SIGTERM])
(folder / "asked").touch()
"""
STUBBORN = POLITE + "signal.sigwait([signal.SIGTERM])\n" * 3

PARENT = """
import sys, time
from embedded.leash import spawn
child = spawn(sys.argv[3:], pipe=sys.argv[1] == "pipe", grace_seconds=float(sys.argv[2]))
time.sleep(60)
"""


WITH_CHILD = (
    """
import pathlib, subprocess, sys
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(pathlib.Path(sys.argv[1]) / "new").write_text(str(other.pid))
(pathlib.Path(sys.argv[1]) / "new").rename(pathlib.Path(sys.argv[1]) / "below")
"""
    + STUBBORN
)


def child(text: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", text, str(folder)]


def parent_of(command: list[str], pipe: bool, *, grace_seconds: float) -> subprocess.Popen[bytes]:
    way = "pipe" if pipe else "kernel"
    return subprocess.Popen([sys.executable, "-c", PARENT, way, str(grace_seconds), *command], cwd=ROOT)


def session(leader: int) -> list[int]:
    """The processes of a session that run; one that is ending has no command any more."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _state, _parent, _group, of = stat.read_text().rpartition(")")[2].split()[:4]
            if int(of) == leader and stat.with_name("cmdline").read_bytes():
                pids.append(int(stat.parent.name))
    return pids


def wait_for(path: Path) -> str:
    eventually(f"{path.name} to appear", path.exists)
    return path.read_text()


def ended(pid: int) -> bool:
    """Whether the process goes away; a zombie counts as gone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.faults
@BOTH_WAYS
def test_child_is_asked_to_end_when_its_parent_is_killed(tmp_path: Path, pipe: bool) -> None:
    """A kill -9 of the parent reaches the child as SIGTERM, and nothing of either is left."""
    with parent_of(child(POLITE, tmp_path), pipe, grace_seconds=60) as parent:
        pid = int(wait_for(tmp_path / "pid"))
        parent.kill()
    assert ended(pid)
    assert (tmp_path / "asked").exists()


@pytest.mark.faults
@BOTH_WAYS
def test_child_that_does_not_listen_ends_with_its_parent(tmp_path: Path, pipe: bool) -> None:
    """A child that ignores SIGTERM is killed once the grace is over, after a kill -9 of its parent."""
    with parent_of(child(STUBBORN, tmp_path), pipe, grace_seconds=0.3) as parent:
        pid = int(wait_for(tmp_path / "pid"))
        parent.kill()
    assert ended(pid)
    assert (tmp_path / "asked").exists()


@pytest.mark.faults
@BOTH_WAYS
def test_child_that_was_stopped_ends_with_its_parent(tmp_path: Path, pipe: bool) -> None:
    """A child that does not run at all, and so hears no SIGTERM, is killed with what it has started."""
    with parent_of(child(WITH_CHILD, tmp_path), pipe, grace_seconds=0.3) as parent:
        below = int(wait_for(tmp_path / "below"))
        pid = int(wait_for(tmp_path / "pid"))
        os.kill(pid, signal.SIGSTOP)
        parent.kill()
    assert ended(pid)
    assert ended(below)


CONFINED = """
import os, pathlib, sys, time
from embedded.clickhouse.confinement import confine
folder = pathlib.Path(sys.argv[1])
confine(folder)
(folder / "pid").write_text(str(os.getpid()))
time.sleep(60)
"""


def test_nothing_is_left_of_a_child_that_may_send_no_signals(tmp_path: Path) -> None:
    """The guard of a process that confined itself ends with it, although nothing of that can tell it so."""
    process = spawn(child(CONFINED, tmp_path), cwd=ROOT)
    wait_for(tmp_path / "pid")
    assert session(process.pid)
    stop(process, 10)
    assert session(process.pid) == []


@BOTH_WAYS
def test_nothing_is_left_of_the_leash(tmp_path: Path, pipe: bool) -> None:
    """Once the child has ended, and was waited for, no process of its session is there."""
    process = spawn(child(POLITE, tmp_path), pipe=pipe)
    wait_for(tmp_path / "pid")
    assert session(process.pid)
    assert stop(process, 10) == 0
    assert session(process.pid) == []


@BOTH_WAYS
def test_stop_asks_and_returns_the_exit_code(tmp_path: Path, pipe: bool) -> None:
    """A child that listens to SIGTERM ends by itself, and its own code comes back."""
    process = spawn(child(POLITE, tmp_path), pipe=pipe)
    pid = int(wait_for(tmp_path / "pid"))
    assert stop(process, 10) == 0
    assert (tmp_path / "asked").exists()
    assert ended(pid)


@BOTH_WAYS
def test_stop_kills_what_does_not_listen(tmp_path: Path, pipe: bool) -> None:
    """A child that ignores SIGTERM is killed once patience is over, also behind a leash that stays."""
    process = spawn(child(STUBBORN, tmp_path), pipe=pipe)
    pid = int(wait_for(tmp_path / "pid"))
    assert stop(process, 0.3) == -signal.SIGKILL
    assert ended(pid)


@BOTH_WAYS
def test_exit_code_and_output_pass_through(tmp_path: Path, pipe: bool) -> None:
    """The child's output, environment, folder and exit code are those of the command itself."""
    text = "import os, sys; print(os.environ['SIGN'], os.getcwd()); sys.exit(7)"
    process = spawn(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, env={**os.environ, "SIGN": "ü"}, cwd=tmp_path, pipe=pipe
    )
    assert process.stdout is not None
    assert process.stdout.read().decode().split() == ["ü", str(tmp_path)]
    assert process.wait(PATIENCE_SECONDS) == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PDEATHSIG")
def test_no_process_stays_between_on_linux(tmp_path: Path) -> None:
    """The leash becomes the command: the process that was started is the command, in a session of its own."""
    process = spawn(child(POLITE, tmp_path))
    try:
        assert int(wait_for(tmp_path / "pid")) == process.pid
        assert os.getsid(process.pid) == process.pid
    finally:
        stop(process, 10)


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    """A process that has ended may be stopped again; the code stays."""
    process = spawn([sys.executable, "-c", "raise SystemExit(3)"])
    assert stop(process, 10) in (3, -signal.SIGTERM)
    assert stop(process, 10) == process.returncode


def test_only_the_main_thread_may_spawn() -> None:
    """A thread that ends would take its children along, so it is refused."""
    seen: list[BaseException] = []

    def try_it() -> None:
        try:
            spawn([sys.executable, "-c", ""])
        except RuntimeError as error:
            seen.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert "main thread" in str(seen[0])


def test_absent_program_is_named(tmp_path: Path) -> None:
    """A path to nothing is an error of the caller, before any process starts."""
    with pytest.raises(FileNotFoundError, match="no program at"):
        spawn([str(tmp_path / "absent")])


def run_leash(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", leash.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=stdin, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "usage:"),
        (("--parent", "x", "--", "true"), "usage:"),
        (("--parent", "1", "--"), "usage:"),
        (("--pipe", "--parent", "1", "--", "no-such-program"), "cannot start no-such-program"),
        (("--parent", str(os.getpid()), "--", "no-such-program"), "cannot start no-such-program"),
    ],
)
def test_wrong_command_line_is_one_line(arguments: tuple[str, ...], text: str) -> None:
    """A wrong command line ends with code 2 and one line that names what is wrong."""
    result = run_leash(*arguments)
    assert result.returncode == 2
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PDEATHSIG")
def test_command_is_not_started_for_a_parent_that_has_ended(tmp_path: Path) -> None:
    """A parent that died before the leash was tied gets no child."""
    result = run_leash("--parent", "999999999", "--", "touch", str(tmp_path / "started"))
    assert result.returncode == 2
    assert "parent has ended" in result.stderr
    assert not (tmp_path / "started").exists()


def test_end_of_the_pipe_kills_after_the_grace(tmp_path: Path) -> None:
    """A child that ignores SIGTERM does not survive the end of the pipe by more than the grace."""
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", leash.__file__, "--parent", "1", "--pipe", "--grace", "0.3", "--"]
    with subprocess.Popen([*command, *child(STUBBORN, tmp_path)], stdin=reading) as process:
        os.close(reading)
        pid = int(wait_for(tmp_path / "pid"))
        os.close(writing)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGKILL
    assert ended(pid)
