"""A leash for child processes: none outlives its parent, not even when the parent is killed -9.

The parent holds one end of a pipe; the other end is the standard input of the leash. When the parent ends, CMD gets
SIGTERM, and SIGKILL after a grace period. So a server that hangs, or was suspended, ends too.

``python embedded/leash.py --parent PID -- CMD…`` asks the kernel to send that SIGTERM (Linux, ``PR_SET_PDEATHSIG`` of
prctl(2)), forks a guard, which waits for the end of the pipe and sends the SIGKILL, and then replaces itself by CMD, so
that CMD is the direct child of the parent. Where the kernel does not offer this (macOS), and with ``--pipe``, the leash
stays between the two: it starts CMD and sends both signals itself.

Only the standard library is imported: the leash runs before every server and must cost nothing.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NoReturn

__all__ = ["Leashed", "main", "spawn", "stop"]

PR_SET_PDEATHSIG: Final = 1
GRACE_SECONDS: Final = 10.0
"""Between the two signals. Servers usually close their files within it; if not, they recover at the next start."""
LOOK_SECONDS: Final = 0.5
"""How often a guard looks whether its child has ended, where the kernel does not report it."""
GUARD_SECONDS_MAX: Final = 2.0
"""How long ``wait`` waits for the guard once the child has ended."""
USAGE: Final = "usage: leash.py --parent PID [--pipe] [--grace SECONDS] -- COMMAND [ARGUMENT…]"
Stream = int | IO[bytes] | None


class Leashed(subprocess.Popen[bytes]):
    """A child on a leash; ``wait`` waits for its guard too, which ends a moment later."""

    holding: int = -1
    """The parent's end of the pipe; the guard has the other end."""

    def wait(self, timeout: float | None = None) -> int:
        """As ``Popen.wait``; ``timeout`` is for the child itself."""
        code = super().wait(timeout)
        if self.holding >= 0:
            other_end = select.poll()
            other_end.register(self.holding, 0)  # poll always reports a closed reading end
            other_end.poll(GUARD_SECONDS_MAX * 1000)
        return code


def spawn(
    cmd: Sequence[str],
    *,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pipe: bool | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> Leashed:
    """Start ``cmd`` on a leash, in a session of its own (Ctrl-C in the terminal reaches only the parent).

    Call it from the main thread: the kernel sends the signal when the starting *thread* ends. ``pipe`` None uses the
    kernel's signal on Linux, and the pipe alone elsewhere. The child's standard input is empty. Keep the returned
    process for as long as the child is to run: the child ends when it is garbage-collected.

    Raises ``RuntimeError`` outside the main thread, and ``FileNotFoundError`` where ``cmd[0]`` is a path to nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "child processes are started from the main thread: the leash is bound to the starting thread"
        )
    if os.sep in cmd[0] and not Path(cwd or ".", cmd[0]).exists():
        raise FileNotFoundError(f"no program at {cmd[0]}")
    by_pipe = not sys.platform.startswith("linux") if pipe is None else pipe
    leash = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "--parent", str(os.getpid())]
    options = ["--grace", str(grace_seconds), *(["--pipe"] if by_pipe else [])]
    held, holding = os.pipe()
    try:
        process = Leashed(
            [*leash, *options, "--", *cmd],
            stdin=held,
            stdout=stdout,
            stderr=stderr,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except BaseException:
        os.close(holding)
        raise
    finally:
        os.close(held)
    process.holding = holding
    weakref.finalize(process, os.close, holding)
    return process


def stop(process: subprocess.Popen[bytes], seconds_max: float) -> int:
    """Send SIGTERM, and after ``seconds_max`` seconds SIGKILL to the whole process group. Returns the exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        code = process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return code


def main(arguments: Sequence[str]) -> int:
    """The command line. Returns only in pipe mode, with the command's exit code, or 2 for a wrong command line."""
    if "--" not in arguments:
        return _complain(USAGE)
    cut = list(arguments).index("--")
    options, cmd = list(arguments[:cut]), list(arguments[cut + 1 :])
    try:
        parent = int(options[options.index("--parent") + 1])
        grace = float(options[options.index("--grace") + 1]) if "--grace" in options else GRACE_SECONDS
    except (ValueError, IndexError):
        return _complain(USAGE)
    if not cmd:
        return _complain(USAGE)
    # Only their owner may read the files of servers and workers, whatever umask they are started with.
    os.umask(0o077)
    try:
        if "--pipe" in options or not sys.platform.startswith("linux"):
            return _hold(cmd, grace)
        return _become(cmd, parent, grace)
    except OSError as error:
        return _complain(f"leash: cannot start {cmd[0]}: {error.strerror}")


def _complain(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 2


def _become(cmd: list[str], parent: int, grace_seconds: float) -> int:  # noqa: RET503 - execvp does not return
    """Replace this process by ``cmd``, bound to its parent; returns only if the parent has already ended."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refuses the parent death signal")
    if os.getppid() != parent:
        return _complain("leash: the parent has ended")
    this = os.getpid()
    if os.fork() == 0:
        _guard(this, grace_seconds)
    _empty(0)
    os.execvp(cmd[0], cmd)  # noqa: S606 - replacing itself by the command is the purpose


def _guard(child: int, grace_seconds: float) -> NoReturn:
    """Wait for the end of standard input, then kill the child after the grace period; the guard ends with the child.

    The guard looks itself whether the child still runs. It cannot rely on the kernel's signal: a child that has
    confined itself to send no signals sends none when it ends either.
    """
    try:
        _empty(1, 2)
        ends = _ends_of(child)
        while os.getppid() == child:
            ready, _, _ = select.select([0, *ends], [], [], LOOK_SECONDS)
            if 0 in ready and not os.read(0, 4096):
                break
        deadline = time.monotonic() + grace_seconds
        while os.getppid() == child and (left := deadline - time.monotonic()) > 0:
            select.select(ends, [], [], min(LOOK_SECONDS, left))
        if os.getppid() == child:
            _kill(child, leader=child)
    finally:
        os._exit(0)


def _ends_of(process: int) -> list[int]:
    """A file descriptor that is readable once the process has ended; an empty list where the kernel offers none."""
    try:
        return [os.pidfd_open(process)]
    except (AttributeError, OSError):
        return []


def _kill(child: int, *, leader: int) -> None:
    """Kill a process, and its children too if its process group is that of the leash."""
    if os.getpgid(child) == leader:
        os.killpg(leader, signal.SIGKILL)
    else:
        os.kill(child, signal.SIGKILL)


def _empty(*files: int) -> None:
    """Redirect open file descriptors to /dev/null."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in files:
        os.dup2(nothing, file)
    os.close(nothing)


def _hold(cmd: list[str], grace_seconds: float) -> int:
    """Run ``cmd`` as a child until it ends or standard input does."""
    signals = _signals_as_bytes(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    child = subprocess.Popen(cmd, stdin=subprocess.DEVNULL)  # noqa: S603 - see spawn
    sources, deadline = [signals, 0], math.inf
    while child.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            _kill(child.pid, leader=os.getpid())
            break
        ready, _, _ = select.select(sources, [], [], None if left == math.inf else left)
        if signals in ready:
            for number in set(os.read(signals, 4096)) - {signal.SIGCHLD}:
                child.send_signal(number)
        if 0 in ready and not os.read(0, 4096):
            sources.remove(0)
            child.terminate()
            deadline = time.monotonic() + grace_seconds
    code = child.wait()
    return 128 - code if code < 0 else code


def _signals_as_bytes(*numbers: int) -> int:
    """The reading end of a pipe into which each of these signals writes its number as one byte.

    A handler that acted by itself would run late if a signal came just before this process begins to wait: see Python's
    ``signal.set_wakeup_fd``.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return reading


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
