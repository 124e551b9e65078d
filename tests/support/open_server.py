"""The embedded ClickHouse with walls taken down, for tests of those that are left.

``python open_server.py --without=guard,walls …`` takes the arguments of ``python -m embedded.clickhouse.server``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from embedded.clickhouse import server
from embedded.clickhouse.analyst.readonly_guard import Checked
from embedded.clickhouse.analyst.rules import AnalystRules
from embedded.clickhouse.confinement import Walls

WITHOUT = "--without="


def spawn_without(*names: str) -> Any:
    """How ``EmbeddedClickHouse`` starts a server without the walls of these names: guard, walls."""

    def spawn(cmd: list[str], **options: Any) -> Any:
        module = cmd.index("-m")
        script = [cmd[0], str(Path(__file__).resolve()), WITHOUT + ",".join(names)]
        return embedded_process.popen([*script, *cmd[module + 2 :]], **options)

    from embedded.clickhouse import process as embedded_process

    return spawn


def main(arguments: list[str]) -> int:
    without = next(word for word in arguments if word.startswith(WITHOUT)).removeprefix(WITHOUT).split(",")
    if "guard" in without:
        AnalystRules.check = lambda _self, query, _ask: Checked(query.sql, query.format)  # type: ignore[method-assign]
    if "walls" in without:
        server.confine = lambda _folder: Walls(0, sockets=False, reason="taken down for a test")
    return server.main([word for word in arguments if not word.startswith(WITHOUT)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
