"""How long a start takes, and the whole demo: ``python -m benchmarks.start [--full]``.

``watchloop up --demo elec2`` runs in a temporary folder, as a newcomer would start it; seconds count from its process's
start. ``--full`` runs the demo to its end with ``--exit`` as well and shows its summary.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from confluent_kafka import Consumer, KafkaException

from benchmarks.common import machine, table

SECONDS_MAX = 120.0
FULL_SECONDS_MAX = 600.0
POLL_SECONDS = 0.05
FIRST_VERDICT_SECONDS_WANTED = 20.0
FULL_SECONDS_WANTED = 180.0
KAFKA_ANSWERS = "Kafka answers on "
CONSOLE = "console answers"
WORKERS = ("intake", "loop")


@dataclasses.dataclass(slots=True)
class Start:
    """One start under observation: the program, when it began, and what was seen at which second."""

    process: subprocess.Popen[bytes]
    data: Path
    output: Path
    began: float = dataclasses.field(default_factory=time.time)
    seen: dict[str, float] = dataclasses.field(default_factory=dict)

    def note(self, what: str) -> None:
        """Something is there now; the first time counts."""
        self.seen.setdefault(what, time.time() - self.began)

    def wait_for(self, what: str, pattern: str) -> str:
        """Until a line of the output matches; returns what the pattern's group found."""
        while time.time() - self.began < SECONDS_MAX:
            match = re.search(pattern, self.output.read_text(errors="replace"))
            if match is not None:
                self.note(what)
                return match.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(POLL_SECONDS)
        raise SystemExit(f"{what}: not seen; the program said:\n{self.output.read_text(errors='replace')}")


def begin(folder: Path, options: Sequence[str]) -> Start:
    """Start the program with its output in a file."""
    output = folder / "output.txt"
    command = [
        sys.executable,
        "-m",
        "watchloop",
        "up",
        "--demo",
        "elec2",
        "--data",
        str(folder / "data"),
        "--port",
        "0",
    ]
    with output.open("wb") as out:
        process = subprocess.Popen([*command, *options], stdout=out, stderr=subprocess.STDOUT)
    return Start(process, folder / "data", output)


def stop(start: Start) -> None:
    """Ctrl-C, then wait for a clean end."""
    start.process.send_signal(signal.SIGINT)
    try:
        start.process.wait(60)
    except subprocess.TimeoutExpired:
        start.process.kill()
        start.process.wait()


def verdict_and_console(start: Start, bootstrap: str) -> None:
    """Wait until a committed verdict can be read and the console answers; notes the first prediction on the way."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "benchmark", "auto.offset.reset": "earliest",
            "isolation.level": "read_committed", "topic.metadata.refresh.interval.ms": 250, "log_level": 0,
            "enable.auto.commit": False,
        }
    )  # fmt: skip
    wanted = {"watchloop.predictions": "first prediction", "watchloop.verdicts": "first verdict"}
    consumer.subscribe(list(wanted))
    while not start.seen.keys() >= {"first verdict", CONSOLE} and time.time() - start.began < SECONDS_MAX:
        try:
            messages = consumer.consume(500, POLL_SECONDS)
        except KafkaException:
            continue
        for message in messages:
            if message.error() is None:
                start.note(wanted[message.topic()])
        note_console(start)
    consumer.close()


def note_console(start: Start) -> None:
    """Whether the console answers yet."""
    endpoints = start.data / "endpoints.json"
    if CONSOLE in start.seen or not endpoints.is_file():
        return
    try:
        with urllib.request.urlopen(f"{json.loads(endpoints.read_text())['console']}/healthz", timeout=1):
            start.note(CONSOLE)
    except (urllib.error.URLError, OSError, ValueError):
        return


def from_logs(start: Start) -> None:
    """What the workers' own logs say of when they were ready."""
    for worker in WORKERS:
        log = start.data / "log" / f"{worker}.log"
        for line in log.read_text(errors="replace").splitlines() if log.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "worker starts":
                at = datetime.fromisoformat(entry["timestamp"]).timestamp()
                start.seen.setdefault(f"worker {worker}: imported, servers answered, state read", at - start.began)


def measure_start() -> dict[str, float]:
    """One start, up to the first verdict; seconds by what was seen."""
    with tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder:
        start = begin(Path(folder), ["--events", "5000", "--seconds", "10"])
        try:
            start.wait_for("first line of output (the program is imported)", r"(\S)")
            start.wait_for("ClickHouse answers", r"ClickHouse answers on (\S+)")
            bootstrap = start.wait_for("Kafka answers", KAFKA_ANSWERS + r"(\S+)")
            verdict_and_console(start, bootstrap)
            from_logs(start)
        finally:
            stop(start)
    return dict(sorted(start.seen.items(), key=lambda item: item[1]))


def measure_full() -> tuple[float, int, str]:
    """The whole demo: seconds, exit code, and what it printed."""
    with tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder:
        start = begin(Path(folder), ["--exit"])
        try:
            code = start.process.wait(FULL_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            stop(start)
            raise SystemExit(f"the demo did not end within {FULL_SECONDS_MAX:g} s") from None
        return time.time() - start.began, code, start.output.read_text(errors="replace")


def main() -> None:
    """Print the breakdown; with ``--full`` the whole demo too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="starts; the last one is shown")
    parser.add_argument("--full", action="store_true", help="run the whole demo as well")
    options = parser.parse_args()
    print(machine(), "\n", flush=True)
    seen: dict[str, float] = {}
    for _ in range(options.runs):
        seen = measure_start()
        print(table(("seconds after the start", "s"), [(what, f"{at:.1f}") for what, at in seen.items()]), "\n")
        print(f"first verdict: wanted under {FIRST_VERDICT_SECONDS_WANTED:g} s\n", flush=True)
    if "first verdict" not in seen:
        raise SystemExit("no verdict was seen")
    if options.full:
        seconds, code, said = measure_full()
        print(said)
        print(f"the whole demo: {seconds:.0f} s, exit code {code}; wanted under {FULL_SECONDS_WANTED:g} s")


if __name__ == "__main__":
    main()
