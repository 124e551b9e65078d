"""The embedded ClickHouse: chDB in a process of its own, behind walls."""
