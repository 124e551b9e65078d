"""The process that has the servers of a test run: what it leaves behind."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support import shared_servers


def test_nothing_is_left_after_sigterm(tmp_path, monkeypatch):
    """A pytest that was killed removes nothing: its leash ends the process, and the process removes the folder."""
    folder, stopped = tmp_path / "servers-1", []

    def start(stack, started_in):
        stack.callback(lambda: stopped.append(started_in.is_dir()))
        os.kill(os.getpid(), signal.SIGTERM)
        return "an address"

    folder.mkdir()
    (folder / "one.wanted").touch()
    monkeypatch.setattr(shared_servers, "STARTS", {"one": start})
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            shared_servers.main(folder)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped == [True], "the server stops before its folder goes"
    assert not folder.exists()
