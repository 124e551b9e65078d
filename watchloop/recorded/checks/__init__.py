"""Checks of a table's rows and roles before any row is replayed."""
