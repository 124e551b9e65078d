"""Change detectors, and what each signal has of them."""
