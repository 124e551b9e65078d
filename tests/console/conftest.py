"""Makes the console's fixtures known to these tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from console_fixtures import clock, console, desk, make_console, visit  # noqa: F401
