"""Recorded tables: reading a file, what its columns are, and what must be right before a row is replayed."""
