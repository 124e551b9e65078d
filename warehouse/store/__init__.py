"""What is stored: tables, rows, inserts."""
