"""Predictions and verdicts as columns: what a batch is worked on as."""
