"""Recorded tables: a file is read, its columns get roles and plain values, its rows are checked and replayed."""
