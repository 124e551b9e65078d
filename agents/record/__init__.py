"""RECORD: topics into ClickHouse, each row once."""
