"""What the program itself asks ClickHouse."""
