"""The program stops on each signal to end, whatever it waits for; signals that were ignored stay ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from watchloop.processes.stopping import Stopped, Stopping, stoppable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_sets_the_flag(number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal mean the same; afterwards the signals are what they were."""
    before = [signal.getsignal(stopping) for stopping in SIGNALS]
    with stoppable() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(10)
    assert [signal.getsignal(stopping) for stopping in SIGNALS] == before


def test_who_is_to_outlive_the_terminal_does() -> None:
    """Under nohup the end of the terminal is ignored, as it was before."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stop_ends_a_start_once_told() -> None:
    """After a stop every wait raises Stopped; the person reads one line."""
    stop, said = threading.Event(), list[str]()
    stopping = Stopping(stop, said.append)
    stopping.check()
    assert stopping.wait_for(lambda: 7) == 7
    stop.set()
    for _ in range(2):
        with pytest.raises(Stopped):
            stopping.check()
    with pytest.raises(Stopped):
        stopping.wait_for(lambda: 7)
    stopping.tell()
    assert said == ["stopping"]


def test_a_question_without_an_answer_is_left_alone() -> None:
    """A stop does not wait for a server that does not answer."""
    stop, forever = threading.Event(), threading.Event()

    def ask() -> None:
        stop.set()
        forever.wait()

    with pytest.raises(Stopped):
        Stopping(stop, lambda _line: None).wait_for(ask)
    forever.set()


def test_what_a_question_raises_is_raised() -> None:
    """``wait_for`` raises the error that its question raised."""

    def ask() -> None:
        raise subprocess.SubprocessError("refused")

    with pytest.raises(subprocess.SubprocessError, match="refused"):
        Stopping(threading.Event(), lambda _line: None).wait_for(ask)
