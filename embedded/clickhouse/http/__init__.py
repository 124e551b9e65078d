"""ClickHouse's HTTP interface over any engine."""
