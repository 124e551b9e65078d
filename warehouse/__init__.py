"""The warehouse: ClickHouse, its tables and views, and what the program stores there and asks of it."""
