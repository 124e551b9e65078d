"""Predictions out of Arrow IPC streams: whole columns, or row by row where something is odd."""
