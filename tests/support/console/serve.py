"""The console over sample data: ``python -m tests.support.console.serve [PORT]``; sample_data.py has the people."""

from __future__ import annotations

import asyncio
import sys
import time

import uvicorn

from console.app import create_app
from console.settings import ConsoleSettings
from tests.support.console.console_fixtures import SECRET, answer_some, sample_desk


def wall_clock():
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    sample = sample_desk(wall_clock)
    asyncio.run(answer_some(sample))
    app = create_app(sample, settings=ConsoleSettings(secret=SECRET), metrics=None)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
