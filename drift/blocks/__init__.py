"""Blocks: statistics of short runs of a batch, and the arithmetic that makes them."""
