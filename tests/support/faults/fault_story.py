"""Servers, workers and a stream of predictions, for tests that harm one of them and then compare all results."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from schemas.topics import PREDICTIONS, VERDICTS
from streams.admin.lag import lags_of_groups
from tests.support.faults.fault_audit import Archive, Log, messages_of
from tests.support.faults.fault_feed import Feed, Ledger
from tests.support.faults.fault_servers import Servers, Worker
from tests.support.faults.fault_stream import Message, messages
from tests.support.waiting import PATIENCE_SECONDS
from warehouse.errors import WarehouseError

__all__ = ["LONG_FORM", "SEED", "SHORT_FORM", "Form", "Story"]

SEED: Final = int(os.environ.get("FAULTS_SEED", "4"))
LOOK_SECONDS: Final = 0.2


@dataclasses.dataclass(frozen=True)
class Form:
    """How large the tests are: the short form runs in every test run, the long one on request."""

    name: str
    kills: int
    events_per_kill: int
    brokers_killed: int
    events_per_fault: int
    cut_seconds: float
    turns: int
    """How often workers join and leave."""


SHORT: Final = Form(
    "short", kills=3, events_per_kill=2_000, brokers_killed=1, events_per_fault=3_000, cut_seconds=4.0, turns=1
)
LONG: Final = Form(
    "long", kills=30, events_per_kill=10_000, brokers_killed=3, events_per_fault=20_000, cut_seconds=60.0, turns=5
)
SHORT_FORM: Final = pytest.param(SHORT, id=f"short-seed{SEED}")
LONG_FORM: Final = pytest.param(LONG, id=f"long-seed{SEED}", marks=pytest.mark.long)
"""As the fixture ``story`` takes them."""


class Story:
    """One set of servers, two INTAKE workers and a RECORD worker, and everything that was sent to them."""

    def __init__(self, folder: pathlib.Path, form: Form, seed: int = SEED) -> None:
        self.form, self.seed = form, seed
        self.servers = Servers(folder).start()
        self.intake: list[Worker] = [self.servers.worker("intake", slot) for slot in "ab"]
        self.record = self.servers.worker("record", "a")
        self.sent = Ledger()
        self.feed = Feed(self.servers.kafka, self.sent)
        self.seen = Log()
        """What a reader has read so far; it reads until ``end``."""
        self._reader = self.seen.reader(self.servers.kafka)
        self._reader.catch_up()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reader.run, args=(self._stop,), name="reader", daemon=True)
        self._thread.start()
        self._begin = time.monotonic()

    def start(self) -> Story:
        """Start the workers and wait until they are at work."""
        workers = [*self.intake, self.record]
        for worker in workers:
            worker.start()
        self.servers.wait_assigned(workers)
        return self

    def end(self) -> None:
        """Stop the reader and every process."""
        self._stop.set()
        self.servers.end()
        self._thread.join(PATIENCE_SECONDS)

    def draw(self, name: str) -> random.Random:
        """A random generator for the test of this name."""
        return random.Random(f"{self.seed}/{name}")

    def messages(self, events: int, name: str) -> Iterator[Message]:
        """Messages with so many readable predictions, whose ids begin with ``name``."""
        return messages(events, seed=self.seed, name=name, now_ms=int(time.time() * 1000))

    def wait_for_verdicts(self, events: int | None = None) -> None:
        """Wait until so many predictions have a verdict; None means all that the brokers acknowledged."""
        wanted = len(self.sent.events) if events is None else events
        self.servers.eventually(f"{wanted} verdicts", lambda: len(self.seen.verdicts) >= wanted)

    def audit(self, what: str) -> dict[str, object]:
        """Wait until all is judged and stored, then compare it with what was sent; returns the counts."""
        self._patiently(self._judged)
        log = Log.read(self.servers.kafka)
        self._patiently(lambda: self._archived(log))
        archive = Archive.read(self.servers.warehouse())
        problems = [*log.problems(self.sent), *archive.problems(self.sent, log)]
        assert not problems, "\n".join([f"{what}, seed {self.seed}:", *problems, self.servers.log()])
        return self._counts(what, log, archive)

    def _patiently(self, done: Callable[[], bool]) -> None:
        """Wait until ``done``, at most ``PATIENCE_SECONDS``; the audit that follows says what is missing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done() and time.monotonic() < deadline:
            self.servers.check()
            time.sleep(LOOK_SECONDS)

    def _judged(self) -> bool:
        """Whether all is judged and read: a reader may see a transaction in one partition before it does in another."""
        events = len(self.sent.events)
        return (
            len(self.seen.verdicts) >= events
            and len(self.seen.rejects) >= len(self.sent.rejects)
            and len(self.seen.tasks) >= len(self.seen.asked)
            and self.seen.events_in_blocks >= events
            and lags_of_groups(self.servers.kafka, {"intake": [PREDICTIONS]})["intake"].messages == 0
        )

    def _archived(self, log: Log) -> bool:
        sql = (
            "SELECT (SELECT count() FROM predictions), (SELECT count() FROM verdicts), (SELECT count() FROM rejects),"
            " (SELECT count() FROM tasks), (SELECT sum(events) FROM blocks)"
        )
        events = len(self.sent.events)
        sent = sum(self.sent.events.values())
        wanted = (sent, events, len(self.sent.rejects), sum(log.tasks.values()), log.events_in_blocks)
        try:
            stored = self.servers.warehouse().query(sql)[0]
        except WarehouseError:
            return False
        return all(have >= want for have, want in zip(stored.values(), wanted, strict=True))

    def _counts(self, what: str, log: Log, archive: Archive) -> dict[str, object]:
        aborted = messages_of(self.servers.kafka, VERDICTS.name, "read_uncommitted") - messages_of(
            self.servers.kafka, VERDICTS.name, "read_committed"
        )
        return {
            "after": f"{what} ({self.form.name}, seed {self.seed})",
            "messages": self.sent.messages,
            "malformed": self.sent.malformed,
            "predictions": len(self.sent.events),
            "sent twice": sum(self.sent.events.values()) - len(self.sent.events),
            "verdicts": sum(log.verdicts.values()),
            "rejects": f"{sum(log.rejects.values())} of {len(self.sent.rejects)}",
            "tasks": f"{sum(log.tasks.values())} of {len(log.asked)}",
            "aborted": aborted,
            "retries": self.servers.count_in_logs(b"asking again"),
            "rows: predictions": sum(archive.predictions.values()),
            "verdicts ": sum(archive.verdicts.values()),
            "rejects ": sum(archive.rejects.values()),
            "tasks ": sum(archive.tasks.values()),
            "seconds": round(time.monotonic() - self._begin),
        }
