"""What tests of every room share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# How fast examples are made says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A broker of a test lives for seconds: what Java's second compiler costs (a third of a start) never comes back.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["fixtures_kafka", "fixtures_clickhouse", "fault_table"]
