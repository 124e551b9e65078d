"""The questions that the program itself asks ClickHouse."""
