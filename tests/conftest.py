"""What tests of every room share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["fixtures_kafka", "fixtures_clickhouse", "fault_table"]
