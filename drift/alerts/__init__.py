"""Alerts: their life, and the book of those that are open."""
