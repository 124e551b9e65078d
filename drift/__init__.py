"""Drift: what changed in a stream of predictions, found by blocks, windows, detectors and alerts."""
