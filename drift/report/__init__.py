"""Evidently reports, made in a process of their own."""
