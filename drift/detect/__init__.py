"""Change detectors, and the watches that apply them to signals."""
