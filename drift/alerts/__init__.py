"""Alerts: their life cycle, and the book of the open ones."""
