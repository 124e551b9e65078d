"""Blocks merged: windows in event time, the reference, and how far the one is from the other."""
