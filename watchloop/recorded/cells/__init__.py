"""Cells of recorded tables: numbers, texts, labels and times."""
